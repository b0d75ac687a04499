import json
import sys

from recipe import call, media_cookie, signed_url

work = json.load(sys.stdin)


def refuses(query):
    try:
        signed_url("/media/uploads/cat.jpg", query, **work["cookies"][0], exp=1795172400)
    except ValueError:
        return True
    return False


gate, key = work["gate"], work["service_key"]
opened = call(gate, key, "POST", "/v1/sessions", work["session"])
revoked = call(gate, key, "DELETE", f"/v1/sessions/{opened['sid']}")
try:
    fails = call(gate, "wrong", "GET", "/v1/users/x/sessions") is None
except OSError:
    fails = True
said = {
    "urls": [signed_url(row.pop("path"), row.pop("query"), **row) for row in work["urls"]],
    "cookies": [media_cookie(**row) for row in work["cookies"]],
    "refused": [refuses(query) for query in work["queries"]],
    "opened": opened,
    "revoked": revoked,
    "fails": fails,
}
json.dump(said, sys.stdout)
