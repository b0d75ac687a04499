package main

import (
	"encoding/json"
	"os"

	"recipe/gate"
)

type cookie struct{ Key, Kid, Sid string }

type address struct {
	cookie
	Path, Query, Use string
	Exp              int64
}

type work struct {
	Gate       string
	ServiceKey string `json:"service_key"`
	Session    any
	Urls       []address
	Cookies    []cookie
	Queries    []string
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

func main() {
	var w work
	must(json.NewDecoder(os.Stdin).Decode(&w))
	said := map[string]any{}
	urls, cookies, refused := []string{}, []string{}, []bool{}
	for _, a := range w.Urls {
		url, err := gate.SignedURL(a.Path, a.Query, a.Key, a.Kid, a.Sid, a.Exp, a.Use)
		must(err)
		urls = append(urls, url)
	}
	for _, c := range w.Cookies {
		cookies = append(cookies, gate.MediaCookie(c.Key, c.Kid, c.Sid))
	}
	for _, query := range w.Queries {
		c := w.Cookies[0]
		_, err := gate.SignedURL("/media/uploads/cat.jpg", query, c.Key, c.Kid, c.Sid, 1795172400, "")
		refused = append(refused, err != nil)
	}
	var opened, revoked map[string]any
	must(gate.Call(w.Gate, w.ServiceKey, "POST", "/v1/sessions", w.Session, &opened))
	must(gate.Call(w.Gate, w.ServiceKey, "DELETE", "/v1/sessions/"+opened["sid"].(string), nil, &revoked))
	said["urls"], said["cookies"], said["refused"] = urls, cookies, refused
	said["opened"], said["revoked"] = opened, revoked
	said["fails"] = gate.Call(w.Gate, "wrong", "GET", "/v1/users/x/sessions", nil, &revoked) != nil
	must(json.NewEncoder(os.Stdout).Encode(said))
}
