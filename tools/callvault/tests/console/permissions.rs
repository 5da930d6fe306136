//! Who may see what.

use shared::model::Provider;

use crate::browser::Browser;
use crate::rig::{ALL, MASKED, NUMBER, Rig, key};

/// A page, and the permission that it takes.
const PAGES: [(&str, &str); 10] = [
    ("/today.json", "calls.read"),
    ("/calls", "calls.read"),
    ("/calls.json", "calls.read"),
    ("/calls/next?day=2025-06-01", "calls.read"),
    ("/calls/alicom/1000~5E7", "calls.read"),
    ("/calls/alicom/1000~5E7.json", "calls.read"),
    ("/tasks", "calls.read"),
    ("/tasks/alicom/task-1", "calls.read"),
    ("/calls/alicom/1000~5E7/recordings/main", "recordings.listen"),
    ("/operations", "operations.read"),
];

#[tokio::test(flavor = "multi_thread")]
async fn a_page_takes_its_permission_and_no_other() {
    let rig = Rig::new().await;
    for own in ["calls.read", "recordings.listen", "operations.read", "calls.review", "calls.pii", ""] {
        let mut browser = Browser::of(&rig, own).await;
        for (page, permission) in PAGES {
            let shown = browser.get(page).await;
            let is_let = shown.status == 200 || shown.status == 302 || shown.status == 303;
            assert_eq!(is_let, own == permission, "{own:?} at {page}: {}", shown.status);
            assert!(is_let || shown.status == 403, "{own:?} at {page}: {}", shown.status);
        }
    }
    // What is found by a number is calls all the same, and so is what a form is about.
    let mut browser = Browser::of(&rig, "calls.pii calls.review").await;
    assert_eq!(browser.get("/calls/found").await.status, 403);
    // Whoever may nothing is told so.
    let mut browser = Browser::of(&rig, "").await;
    browser.get("/").await.has("may see nothing yet");
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_sees_anything_before_signing_in_and_comes_back_to_where_they_were() {
    let rig = Rig::new().await;
    let mut nobody = Browser::new(&rig);
    for (page, _) in PAGES {
        let shown = nobody.get(page).await;
        let is_page = !page.ends_with(".json") && !page.contains("/recordings/");
        assert_eq!(shown.status, if is_page { 303 } else { 401 }, "{page}");
        if is_page {
            let back: String = url::form_urlencoded::byte_serialize(page.as_bytes()).collect();
            assert_eq!(shown.location(), format!("/login?to={back}"));
        }
        shown.lacks(NUMBER);
    }
    // A file, too: whoever asks for one sits before a browser.
    let file = nobody.get("/calls.xlsx?day=2025-06-01").await;
    assert_eq!((file.status, file.location()), (303, "/login?to=%2Fcalls.xlsx%3Fday%3D2025-06-01"));
    assert_eq!(nobody.get("/nowhere").await.status, 404);
    let page = nobody.get("/signed-out").await;
    assert_eq!(page.status, 200);
    for (name, value) in [
        ("cache-control", "no-store"),
        ("referrer-policy", "no-referrer"),
        ("x-content-type-options", "nosniff"),
        ("cross-origin-opener-policy", "same-origin"),
    ] {
        assert_eq!(page.header(name), value);
    }
    let policy = page.header("content-security-policy");
    assert!(policy.starts_with("default-src 'none'; style-src 'self'; script-src 'self';"), "{policy}");
    assert!(!policy.contains("unsafe"), "{policy}");
}

#[tokio::test(flavor = "multi_thread")]
async fn numbers_are_masked_for_everybody_until_one_is_revealed() {
    let rig = Rig::new().await;
    let call = "/calls/alicom/1000~5E7";
    for permissions in [ALL, MASKED] {
        let mut browser = Browser::of(&rig, permissions).await;
        for page in
            [call, "/calls?day=2025-06-01", "/tasks?day=2025-06-01", "/operations", "/tasks/alicom/task-1"]
        {
            browser.get(page).await.lacks(NUMBER).lacks(&NUMBER[3..]);
            let json = if page.contains('?') { page.replace('?', ".json?") } else { format!("{page}.json") };
            browser.get(&json).await.lacks(NUMBER);
        }
    }
    let mut lead = Browser::of(&rig, ALL).await;
    let shown = lead.submit_and_see(call, &format!("{call}/reveal"), &[]).await;
    shown.has(NUMBER).has("it is recorded that you saw it");
    let mut reviewer = Browser::of(&rig, MASKED).await;
    let shown = reviewer.submit(call, &format!("{call}/reveal"), &[]).await;
    assert_eq!(shown.status, 403);
    shown.lacks(NUMBER);
    let looks: Vec<_> =
        rig.access_log().await.into_iter().map(|entry| entry.what.as_str().to_owned()).collect();
    assert_eq!(looks.iter().filter(|what| *what == "number").count(), 1, "{looks:?}");
    assert!(looks.iter().all(|what| !what.contains(NUMBER)));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_seen_is_recorded_before_it_is_shown() {
    let rig = Rig::new().await;
    let mut browser = Browser::of(&rig, ALL).await;
    let call = "/calls/alicom/1000~5E7";
    let push = browser.get(call).await.text;
    let push = push
        .split("href=\"")
        .filter(|part| part.contains("/pushes/"))
        .map(|part| part.split('"').next().unwrap());
    let push = push.map(str::to_owned).next().expect("a push to read");
    browser.get(&push).await.has("callId");
    assert_eq!(browser.get(&format!("{call}/recordings/main")).await.status, 302);
    browser
        .submit_and_see("/calls", "/calls", &[("number", &format!("+86 {NUMBER}"))])
        .await
        .has("/calls/alicom/1000~5E7");
    browser.get(&format!("/calls/alicom/{}", "none")).await.has("There is no such call");
    let looks = rig.access_log().await;
    let of_call = key(Provider::Alicom, "1000^7");
    let told: Vec<_> = looks
        .iter()
        .map(|entry| {
            (
                entry.what.as_str().to_owned(),
                entry.via.as_str().to_owned(),
                entry.call == Some(of_call.clone()),
            )
        })
        .collect();
    for what in ["call", "push", "recording main"] {
        assert!(told.contains(&(what.to_owned(), "console".to_owned(), true)), "{what}: {told:?}");
    }
    assert!(told.iter().any(|(what, _, _)| what.starts_with("list callee_id=")), "{told:?}");
    assert!(looks.iter().all(|entry| entry.actor == "person:somebody"), "{looks:?}");
    // A number within a tag is one that is looked for, too.
    for path in ["/calls", "/calls/next"] {
        let before = rig.access_log().await.len();
        browser.get(&format!("{path}?day=2025-06-01&tag={NUMBER}")).await;
        let noted = rig.access_log().await;
        assert_eq!(noted.len(), before + 1, "{path}");
        assert!(noted[before].what.as_str().starts_with("list callee_id="), "{path}: {:?}", noted[before]);
        browser.get(&format!("{path}?day=2025-06-01&tag=A")).await;
        assert_eq!(rig.access_log().await.len(), before + 1, "{path}: nothing is seen with a number");
    }
    // A search takes its permission.
    let mut reviewer = Browser::of(&rig, MASKED).await;
    let token = reviewer.get("/calls").await.form_token();
    assert_eq!(reviewer.post("/calls", &[("form", &token), ("number", NUMBER)]).await.status, 403);
}
