//! Who may look, and who may act.

use crate::served::{HERE, JSON, Served, Words};

fn refused(served: &Served, name: &str) -> u64 {
    served.proxy.refusals().find(|(of, _)| *of == name).map_or(0, |(_, count)| count)
}

#[tokio::test]
async fn threat_18_only_who_may_act_does_and_only_who_may_look_sees() {
    let looking = Served::with(|_| {}, |proxy| proxy).await;
    let acting = Served::start().await;
    let guarded = Served::with(|_| {}, |proxy| proxy.with_authorizer(Words)).await;
    let far = "host: bss:9090\r\n";
    let bearer = |word: &str| format!("{far}authorization: Bearer {word}\r\n");
    let passed_on = format!("{HERE}x-forwarded-for: 192.0.2.1\r\n");
    // Looks, acts: a status, and the code of the refusal.
    let cases = [
        (&looking, HERE.to_owned(), (200, ""), (403, "forbidden")),
        (&acting, HERE.to_owned(), (200, ""), (204, "")),
        // A page whose name was pointed at this machine, and one of another origin.
        (&acting, "host: evil.example\r\n".to_owned(), (421, "forbidden_host"), (421, "forbidden_host")),
        (&acting, format!("{HERE}origin: http://evil.example\r\n"), (403, "forbidden_origin"), (403, "forbidden_origin")),
        (&acting, format!("{HERE}origin: http://localhost\r\n"), (200, ""), (204, "")),
        // Somebody behind another proxy on this machine.
        (&acting, passed_on.clone(), (401, "unauthorized"), (401, "unauthorized")),
        (&guarded, HERE.to_owned(), (200, ""), (403, "forbidden")),
        (&guarded, passed_on, (401, "unauthorized"), (401, "unauthorized")),
        (&guarded, bearer("looks"), (200, ""), (403, "forbidden")),
        (&guarded, bearer("acts"), (200, ""), (204, "")),
        (&guarded, bearer("scrapes"), (403, "forbidden"), (403, "forbidden")),
        (&guarded, bearer("guesses"), (401, "unauthorized"), (401, "unauthorized")),
        // The page of another origin that has got hold of a token's user, but not of the token, asks first: there is no answer for it.
        (&guarded, format!("{}origin: http://evil.example\r\n", bearer("acts")), (421, "forbidden_host"), (421, "forbidden_host")),
    ];
    for (served, headers, looks, acts) in cases {
        for (method, path, (status, code)) in [("GET", "overview", looks), ("PUT", "reserved/NAME", acts)] {
            let answer = served.ask(method, &format!("/admin/api/{path}"), &format!("{headers}{JSON}"), "").await;
            assert_eq!(answer.status, status, "{method} {headers}{answer:?}");
            if code.is_empty() {
                served.names.unreserve("NAME");
            } else {
                assert_eq!(answer.json()["code"], code, "{method} {headers}");
                assert!(!served.names.unreserve("NAME"), "{method} {headers}: nothing is done");
            }
        }
    }
    assert!(refused(&acting, "gate") == 4 && refused(&acting, "unauthorized") == 2 && refused(&looking, "forbidden") == 1);
}

#[tokio::test]
async fn threat_18_each_act_is_refused_to_who_may_not_and_to_a_form() {
    let served = Served::with(|_| {}, |proxy| proxy.with_authorizer(Words)).await;
    let id = "00000000-0000-0000-0000-000000000000";
    let acts = [
        ("DELETE", format!("streams/{id}:1")),
        ("DELETE", format!("sessions/{id}")),
        ("DELETE", "names/NAME".to_owned()),
        ("PUT", "reserved/NAME".to_owned()),
        ("DELETE", "reserved/NAME".to_owned()),
        ("POST", "rooms/hall/emit".to_owned()),
        ("DELETE", format!("rooms/hall/members/{id}")),
        ("PUT", format!("rooms/hall/members/{id}")),
        ("POST", "drain".to_owned()),
    ];
    for (method, path) in &acts {
        let path = format!("/admin/api/{path}");
        let token = |word: &str| format!("{HERE}authorization: Bearer {word}\r\n");
        for (headers, status) in [
            (format!("{HERE}{JSON}"), 403),
            (format!("{}{JSON}", token("looks")), 403),
            (format!("{}{JSON}", token("guesses")), 401),
            // What a page of another origin may send without asking first.
            (token("acts"), 415),
            (format!("{}content-type: text/plain\r\n", token("acts")), 415),
        ] {
            let answer = served.ask(method, &path, &headers, "{}").await;
            assert_eq!(answer.status, status, "{method} {path} {headers}: {answer:?}");
        }
    }
    assert!(served.get("events?search=admin.action").await.rows().is_empty());
    // A page that asks first whether it may is not answered that it may.
    let asks = format!("{HERE}origin: http://evil.example\r\naccess-control-request-method: DELETE\r\n");
    let answer = served.ask("OPTIONS", "/admin/api/names/NAME", &asks, "").await;
    assert!(answer.status >= 400 && !answer.head.contains("access-control-allow"), "{answer:?}");
}

#[tokio::test]
async fn threat_18_who_acts_is_written_down() {
    let served = Served::with(|_| {}, |proxy| proxy.with_authorizer(Words)).await;
    let headers = format!("{HERE}{JSON}authorization: Bearer acts\r\n");
    assert_eq!(served.ask("PUT", "/admin/api/reserved/NA%22ME", &headers, "").await.status, 204);
    let rows = served.get("events?search=admin.action").await.rows();
    assert_eq!(rows[0]["text"], r#"reserved "NA\"ME", by "operator""#);
    assert_eq!(rows[0]["name"], "NA\"ME");
}

#[tokio::test]
async fn threat_18_the_page_is_for_no_other_host_and_origin_and_runs_nothing_but_its_own() {
    let served = Served::start().await;
    let home = served.ask("GET", "/", HERE, "").await;
    assert!(home.status == 307 && home.head.contains("location: /admin"), "{home:?}");
    for path in ["/admin", "/admin/", "/admin/index.html"] {
        let page = served.ask("GET", path, HERE, "").await;
        match page.status {
            200 => {
                let policy = "content-security-policy: default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'";
                assert!(page.head.contains(policy) && page.head.contains("nosniff") && page.head.contains("no-referrer"), "{page:?}");
            }
            // A build without the page.
            _ => assert!(page.status == 404 && page.body.contains("/admin/api/openapi.json"), "{page:?}"),
        }
        assert_eq!(served.ask("GET", path, "host: evil.example\r\n", "").await.status, 421);
        assert_eq!(served.ask("GET", path, &format!("{HERE}origin: http://evil.example\r\n"), "").await.status, 403);
    }
    for path in ["/admin/none.js", "/admin/..%2fstyle.css", "/admin/%2e%2e/style.css"] {
        assert_eq!(served.ask("GET", path, HERE, "").await.status, 404, "{path}");
    }
}

#[tokio::test]
async fn threat_18_peers_have_neither_the_page_nor_the_api_on_their_port() {
    let served = Served::start().await;
    let peers = Served { admin: served.peers, ..served };
    for path in ["/admin", "/admin/", "/admin/index.html", "/admin/admin.js", "/admin/api/overview", "/admin/mux"] {
        assert_eq!(peers.ask("GET", path, HERE, "").await.status, 404, "{path}");
    }
}
