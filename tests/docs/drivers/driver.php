<?php
require 'recipe.php';

$work = json_decode(stream_get_contents(STDIN), true);

function refuses($query, $row)
{
    try {
        signed_url('/media/uploads/cat.jpg', $query, $row['key'], $row['kid'], $row['sid'], 1795172400);
    } catch (InvalidArgumentException) {
        return true;
    }
    return false;
}

$opened = call($work['gate'], $work['service_key'], 'POST', '/v1/sessions', $work['session']);
$revoked = call($work['gate'], $work['service_key'], 'DELETE', "/v1/sessions/{$opened['sid']}");
try {
    call($work['gate'], 'wrong', 'GET', '/v1/users/x/sessions');
    $fails = false;
} catch (RuntimeException) {
    $fails = true;
}
echo json_encode([
    'urls' => array_map(fn ($row) => signed_url(...$row), $work['urls']),
    'cookies' => array_map(fn ($row) => media_cookie(...$row), $work['cookies']),
    'refused' => array_map(fn ($query) => refuses($query, $work['cookies'][0]), $work['queries']),
    'opened' => $opened,
    'revoked' => $revoked,
    'fails' => $fails,
]), "\n";
