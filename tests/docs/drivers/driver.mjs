import { text } from 'node:stream/consumers';
import { call, mediaCookie, signedUrl } from './recipe.mjs';

const work = JSON.parse(await text(process.stdin));
const refuses = (query) => {
  try {
    signedUrl('/media/uploads/cat.jpg', query, { ...work.cookies[0], exp: 1795172400 });
  } catch {
    return true;
  }
  return false;
};

const opened = await call(work.gate, work.service_key, 'POST', '/v1/sessions', work.session);
const revoked = await call(work.gate, work.service_key, 'DELETE', `/v1/sessions/${opened.sid}`);
const fails = await call(work.gate, 'wrong', 'GET', '/v1/users/x/sessions').then(() => false, () => true);
console.log(JSON.stringify({
  urls: work.urls.map(({ path, query, ...rest }) => signedUrl(path, query, rest)),
  cookies: work.cookies.map(mediaCookie),
  refused: work.queries.map(refuses),
  opened,
  revoked,
  fails,
}));
