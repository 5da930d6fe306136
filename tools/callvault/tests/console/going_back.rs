//! Going back to what a form has led to: its page is asked for by GET, under an address that tells no number.

use crate::browser::{Browser, Shown};
use crate::rig::{ALL, NUMBER, Rig};

const CALL: &str = "/calls/alicom/1000~5E7";
const FOUND: &str = "/calls/found";

/// Neither title nor addresses tell the number.
#[track_caller]
fn is_told_nowhere(shown: &Shown) {
    let title = shown.text.split("<title>").nth(1).unwrap().split("</title>").next().unwrap();
    assert!(!title.contains(&NUMBER[3..9]), "{title}");
    for attribute in ["href=\"", "src=\"", "action=\""] {
        for address in shown.text.split(attribute).skip(1) {
            let address = address.split('"').next().unwrap();
            assert!(!address.contains(&NUMBER[3..9]), "{address}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_can_be_come_back_to_by_whoever_made_it() {
    let rig = Rig::new().await;
    let mut lead = Browser::of(&rig, ALL).await;
    let sent = lead.submit("/calls", "/calls", &[("number", &format!("+86 {NUMBER}"))]).await;
    assert_eq!((sent.status, sent.location(), &*sent.text), (303, FOUND, ""));
    assert!(!format!("{:?}", sent.headers).contains(&NUMBER[3..9]), "sealed: {:?}", sent.headers);
    // There, back from one of its calls, and loaded anew.
    for _ in 0..3 {
        let shown = lead.get(FOUND).await;
        shown.has(CALL).has("Calls to").lacks(NUMBER);
        is_told_nowhere(&shown);
    }
    let looks = rig.access_log().await;
    assert_eq!(looks.iter().filter(|entry| entry.what.as_str().starts_with("list callee_id=")).count(), 3);
    // Nobody else sees it by the same cookie, and after signing out nobody.
    let mut other = Browser::of(&rig, ALL).await;
    other.cookies.insert("callvault-sought".to_owned(), lead.cookies["callvault-sought"].clone());
    other.get(FOUND).await.has("Enter the number").lacks(CALL);
    let mut nobody = Browser::new(&rig);
    nobody.cookies.insert("callvault-sought".to_owned(), lead.cookies["callvault-sought"].clone());
    assert_eq!(nobody.get(FOUND).await.location(), "/login?to=%2Fcalls%2Ffound");
    // What is no whole number asks for one, and forgets what was looked for before.
    for none in ["", "137****9182"] {
        lead.submit_and_see("/calls", "/calls", &[("number", none)])
            .await
            .has("Enter the number")
            .lacks(CALL);
        lead.get(FOUND).await.has("Enter the number").lacks(CALL);
    }
    lead.submit_and_see(FOUND, "/calls", &[("number", "13900000000")])
        .await
        .has("No call matches")
        .lacks(CALL);
    lead.submit("/calls", "/logout", &[]).await;
    assert!(!lead.cookies.contains_key("callvault-sought"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_search_goes_on_page_by_page() {
    let rig = Rig::empty().await;
    let calls: Vec<_> = (0..70)
        .map(|at| {
            crate::rig::report(&format!("call-{at}"), &format!("2025-06-01 10:{:02}:{:02}", at / 60, at % 60))
        })
        .map(|one| one[0].clone())
        .collect();
    rig.push("alicom-call-report", &serde_json::json!(calls)).await;
    let mut lead = Browser::of(&rig, ALL).await;
    let first = lead.submit_and_see("/calls", "/calls", &[("number", NUMBER)]).await;
    assert_eq!(first.text.matches("<td class=\"callee\">").count(), 50);
    is_told_nowhere(&first);
    let next = first.links().into_iter().find(|link| link.starts_with("/calls/found?cursor=")).unwrap();
    let second = lead.get(&next).await;
    assert_eq!(second.text.matches("<td class=\"callee\">").count(), 20);
    assert!(second.links().contains(&FOUND.to_owned()), "back to the first page");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_number_is_revealed_once_on_the_calls_own_page() {
    let rig = Rig::new().await;
    let mut lead = Browser::of(&rig, ALL).await;
    let here = format!("{CALL}?task=task-1");
    let reveal = format!("{CALL}/reveal");
    let sent = lead.submit(&here, &reveal, &[]).await;
    assert_eq!((sent.status, sent.location(), &*sent.text), (303, &*here, ""));
    // Only this call, only as a page, and nobody else.
    let kept = lead.cookies["callvault-revealed"].clone();
    let mut other = Browser::of(&rig, ALL).await;
    other.cookies.insert("callvault-revealed".to_owned(), kept);
    other.get(CALL).await.lacks(NUMBER);
    let elsewhere = lead.get("/calls?day=2025-06-01..2030-01-01").await;
    elsewhere.lacks(NUMBER);
    lead.get(&format!("{CALL}.json")).await.lacks(NUMBER);
    let shown = lead.get(&here).await;
    shown.has(NUMBER).has("it is recorded that you saw it");
    is_told_nowhere(&shown);
    // Come back to, or loaded anew, it is masked.
    lead.get(&here).await.lacks(NUMBER);
    let looks = rig.access_log().await;
    assert_eq!(looks.iter().filter(|entry| entry.what.as_str() == "number").count(), 1);
    // Of no call there is nothing to reveal.
    let token = lead.get(CALL).await.form_token();
    assert_eq!(lead.post("/calls/alicom/none/reveal", &[("form", &token)]).await.status, 404);
    // There is no address to load a form's answer from.
    assert_eq!(lead.get(&reveal).await.status, 405);
}
