//! Methods: HEAD is GET without the page; what there is not is told with what there is.

use crate::browser::Browser;
use crate::rig::{ALL, Rig};

#[tokio::test(flavor = "multi_thread")]
async fn a_page_without_its_body_and_methods_that_there_are_not() {
    let rig = Rig::new().await;
    let mut browser = Browser::of(&rig, ALL).await;
    for page in
        ["/", "/calls?day=2025-06-01", "/calls/alicom/1000~5E7", "/today.json", "/nowhere", "/calls?limit=x"]
    {
        let (whole, head) = (browser.get(page).await, browser.ask("HEAD", page).await);
        assert_eq!((head.status, &*head.text), (whole.status, ""), "{page}");
        for name in ["content-type", "content-security-policy", "cache-control", "location"] {
            assert_eq!(head.header(name), whole.header(name), "{page}: {name}");
        }
    }
    for (method, path, status, allow) in [
        ("PUT", "/calls", 405, "GET, HEAD, POST"),
        ("DELETE", "/calls/alicom/1000~5E7", 405, "GET, HEAD"),
        ("OPTIONS", "/", 405, "GET, HEAD"),
        ("POST", "/tasks.json", 405, "GET, HEAD"),
        ("GET", "/logout", 405, "POST"),
        ("PATCH", "/calls/alicom/1000~5E7/review", 405, "POST"),
        ("PUT", "/nowhere", 404, ""),
    ] {
        let shown = browser.ask(method, path).await;
        assert_eq!((shown.status, shown.header("allow")), (status, allow), "{method} {path}");
    }
    // What the API has no route for is answered here, as its readers expect.
    for method in ["HEAD", "PUT", "POST"] {
        let shown = browser.ask(method, "/api/calls").await;
        assert_eq!((shown.status, shown.header("allow")), (405, "GET"), "{method}");
        assert_eq!(shown.header("content-type"), "application/problem+json", "{method}");
    }
    browser.ask("PUT", "/calls").await.has("does not take this kind of request");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_a_filter_is_named() {
    let rig = Rig::empty().await;
    let mut browser = Browser::of(&rig, ALL).await;
    for (query, words) in [
        ("limit=x", "<code>limit</code>"),
        ("day=yesterday", "This value is not understood: <strong>Day</strong><"),
        ("days=1", "There is no such filter here: <code>days</code>"),
        ("=1", "a filter without a name"),
        ("%00=1", "a filter without a name"),
        ("reviewed=maybe", "<strong>Reviewed</strong><"),
        ("hangup_by=me", "<strong>Ended by</strong> <code>hangup_by</code>"),
        ("limit=1&limit=1", "This filter is given twice:"),
        ("task=%ff", "The address of this page can't be read"),
    ] {
        let shown = browser.get(&format!("/calls?{query}")).await;
        assert_eq!(shown.status, 400, "{query}");
        shown.has(words);
    }
    // Files and the other pages take what they know, and no more.
    for (page, name) in [
        ("/calls.csv?limit=x", "limit"),
        ("/calls.xlsx?numbers=maybe", "numbers"),
        ("/operations?day=2025-06-01", "day"),
        ("/tasks/alicom/1?page=2", "page"),
    ] {
        let shown = browser.get(page).await;
        assert_eq!(shown.status, 400, "{page}");
        shown.has(&format!("<code>{name}</code>"));
    }
    browser.get("/tasks/alicom/~").await.has("There is no call of such a task");
}
