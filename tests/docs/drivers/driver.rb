require_relative "recipe"

work = JSON.parse($stdin.read, symbolize_names: true)

refuses = lambda do |query|
  signed_url("/media/uploads/cat.jpg", query, **work[:cookies][0], exp: 1_795_172_400)
  false
rescue ArgumentError
  true
end

gate, key = work.values_at(:gate, :service_key)
opened = call(gate, key, "POST", "/v1/sessions", work[:session])
revoked = call(gate, key, "DELETE", "/v1/sessions/#{opened["sid"]}")
fails = begin
  call(gate, "wrong", "GET", "/v1/users/x/sessions").nil?
rescue Net::HTTPExceptions
  true
end
puts JSON.generate(
  urls: work[:urls].map { |row| signed_url(row.delete(:path), row.delete(:query), **row) },
  cookies: work[:cookies].map { |row| media_cookie(**row) },
  refused: work[:queries].map(&refuses),
  opened: opened,
  revoked: revoked,
  fails: fails
)
