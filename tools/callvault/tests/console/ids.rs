//! Ids that hold the callee's number: no address has one, and what is linked to is there.

use std::collections::BTreeSet;

use serde_json::json;
use shared::model::Provider;
use shared::record::keys;

use crate::browser::Browser;
use crate::rig::{ALL, MASKED, NUMBER, Rig, key, report};

/// A call whose id, task and recording's slot hold the number, beside one as always.
async fn rig() -> Rig {
    let rig = Rig::new().await;
    let id = format!("c-{NUMBER}");
    let mut one = report(&id, "2025-06-01 11:00:00");
    one[0]["taskId"] = json!(format!("t-{NUMBER}"));
    rig.push("alicom-call-report", &one).await;
    let record = json!([{
        "callId": id, "startTime": "2025-06-01 11:00:03", "endTime": "2025-06-01 11:01:33",
        "recordFile": "https://x.oss-cn-shanghai.aliyuncs.com/a.wav?Expires=1749000000",
    }]);
    rig.push("alicom-call-record", &record).await;
    rig.archive(&key(Provider::Alicom, &id)).await;
    rig
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_may_see_numbers_gets_to_such_a_call_by_an_address_that_tells_none() {
    let rig = rig().await;
    let mut lead = Browser::of(&rig, ALL).await;
    let list = lead.get("/calls?day=2025-06-01").await;
    list.lacks(NUMBER);
    let sealed =
        |prefix: &str, links: Vec<String>| links.into_iter().find(|link| link.starts_with(prefix)).unwrap();
    let call = sealed("/calls/alicom/~~", list.links());
    let page = lead.get(&call).await;
    assert_eq!(page.status, 200);
    page.lacks(NUMBER).has("c-***********").has("Reveal number").has("<audio");
    let path = call.split('?').next().unwrap().to_owned();
    // As JSON, too: what the page hides until it is asked for is not in its pushes' addresses.
    let json = lead.get(&format!("{path}.json")).await;
    assert_eq!(json.status, 200);
    json.lacks(NUMBER).has("\"pushes\":[{");
    // All that one does with a call: it is heard, judged, revealed, read, and left for the next.
    let recording = lead
        .get(&sealed(
            "/calls/alicom/~~",
            page.links().into_iter().filter(|it| it.contains("/recordings/")).collect(),
        ))
        .await;
    assert_eq!(recording.status, 302);
    let saved = lead.submit(&call, &format!("{path}/review"), &[("verdict", "good"), ("then", "next")]).await;
    assert!(!saved.location().contains(&NUMBER[3..9]), "{}", saved.location());
    let next = lead.get(saved.location()).await;
    assert!(next.location().starts_with("/calls/alicom/1000~5E7"), "{next:?}");
    lead.submit_and_see(&call, &format!("{path}/reveal"), &[]).await.has(NUMBER);
    let push =
        sealed("/calls/alicom/~~", page.links().into_iter().filter(|it| it.contains("/pushes/")).collect());
    lead.get(&push).await.has(NUMBER).has("/calls/alicom/~~");
    // And its task.
    let task = sealed("/tasks/alicom/~~", list.links());
    let shown = lead.get(&task).await;
    assert_eq!(shown.status, 200);
    shown.lacks(NUMBER).has("t-***********");
    lead.submit_and_see(&task, &format!("{}/name", task), &[("name", "Six of them")])
        .await
        .has("Six of them");
    let list = lead.get("/calls?day=2025-06-01").await;
    // Tasks are offered to choose from by name, but for one that tells a number.
    list.has("Six of them").has("<option value=\"task-1\">").lacks("\">Six of them</option>");
    // A call that nobody has heard is found by going on, too.
    let unheard = lead.get("/calls/next?day=2025-06-01").await;
    assert_eq!(unheard.status, 303);
    // An address that was altered is none.
    let altered = format!("{}A", path);
    assert!(matches!(lead.get(&altered).await.status, 400 | 404));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_link_leads_somewhere_and_tells_no_number() {
    let rig = rig().await;
    for permissions in [ALL, MASKED, "calls.read"] {
        let mut browser = Browser::of(&rig, permissions).await;
        let mut seen = BTreeSet::new();
        let mut to_see = vec![
            "/calls?day=2025-06-01".to_owned(),
            "/?day=2025-06-01".to_owned(),
            "/tasks?day=2025-06-01".to_owned(),
        ];
        while let Some(page) = to_see.pop() {
            if !seen.insert(page.clone()) || seen.len() > 150 {
                continue;
            }
            let shown = browser.get(&page).await;
            assert!(matches!(shown.status, 200 | 302 | 303), "{permissions}: {page}: {}", shown.status);
            let links = shown.links().into_iter().map(|link| link.split('#').next().unwrap().to_owned());
            // Sealed addresses differ each time: of each kind one is enough.
            let is_new = |link: &String| {
                !link.contains("~~") || page.starts_with("/calls?") || page.starts_with("/tasks?")
            };
            for link in links.filter(is_new) {
                assert!(!link.contains(&NUMBER[3..9]), "{permissions}: {page}: {link}");
                // Other days are without end.
                let is_of_day = !link.contains("day=") || link.contains("day=2025-06-01");
                if is_of_day && !link.starts_with("/login") {
                    to_see.push(link);
                }
            }
        }
        assert!(
            seen.iter().any(|page| page.contains("~~")) == (permissions == ALL),
            "{permissions}: {seen:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_may_not_see_numbers_is_told_why_such_a_call_has_no_link() {
    let rig = rig().await;
    let mut reviewer = Browser::of(&rig, MASKED).await;
    let list = reviewer.get("/calls?day=2025-06-01").await;
    list.has("Its ID contains the phone number").lacks("~~").lacks(NUMBER);
    reviewer
        .get("/tasks?day=2025-06-01")
        .await
        .has("Its ID contains the phone number")
        .lacks("~~")
        .lacks(NUMBER);
    // A lead's address is none of theirs.
    let mut lead = Browser::of(&rig, ALL).await;
    let links = lead.get("/calls?day=2025-06-01").await.links();
    for prefix in ["/calls/alicom/~~", "/tasks/alicom/~~"] {
        let sealed = links.iter().find(|link| link.starts_with(prefix)).unwrap();
        let shown = reviewer.get(sealed).await;
        assert_eq!(shown.status, 404, "{sealed}");
        shown.lacks(NUMBER);
    }
}

/// A task whose id tells its callee's number by that call alone: by itself it is an id as any other.
#[tokio::test(flavor = "multi_thread")]
async fn to_name_a_task_tells_nobody_whether_there_is_one_with_a_number_for_its_id() {
    let rig = Rig::empty().await;
    for (at, callee, task) in [(0, "55501421", "55501421"), (1, NUMBER, NUMBER)] {
        let mut one = report(&format!("100{at}"), "2025-06-01 10:00:00");
        (one[0]["callee"], one[0]["taskId"]) = (json!(callee), json!(task));
        rig.push("alicom-call-report", &one).await;
    }
    let mut reviewer = Browser::of(&rig, MASKED).await;
    let mut lead = Browser::of(&rig, ALL).await;
    for [there, not] in [["55501421", "55501431"], [NUMBER, "13700009183"]] {
        let mut told = Vec::new();
        for task in [there, not] {
            let path = format!("/tasks/alicom/{task}/name");
            let shown = reviewer.submit("/calls", &path, &[("name", "x")]).await;
            assert_eq!((shown.status, shown.location()), (404, ""), "{task}");
            // But for the page's own address, and that each page's forms carry other letters.
            told.push(shown.text.replace(&shown.form_token(), "").replace(task, ""));
        }
        assert_eq!(told[0], told[1], "{there}");
        let named = rig.stack.store().table().query(&keys::task_name_pk(Provider::Alicom, there)).await;
        assert!(named.unwrap().is_empty(), "{there}");
        // Whoever may see numbers names it, and is led to an address that tells none.
        let shown = lead.submit("/calls", &format!("/tasks/alicom/{there}/name"), &[("name", "x")]).await;
        assert_eq!(shown.status, 303, "{there}");
        assert!(shown.location().starts_with("/tasks/alicom/~~"), "{there}: {}", shown.location());
        assert_eq!(lead.get(shown.location()).await.status, 200);
    }
}

/// Where a walk through calls stands is told by an id: one that somebody made up must not tell where it would stand, since a hidden call's
/// could be found out by that.
#[tokio::test(flavor = "multi_thread")]
async fn the_next_call_behind_an_id_that_is_not_known_is_the_first() {
    let rig = Rig::empty().await;
    let at = "2025-06-01 10:00:00";
    for id in ["a", "b", "c", "d"] {
        rig.push("alicom-call-report", &report(id, at)).await;
    }
    let hidden = format!("c-{NUMBER}");
    rig.push("alicom-call-report", &report(&hidden, at)).await;
    let mut reviewer = Browser::of(&rig, MASKED).await;
    let first = reviewer.get("/calls/next?day=2025-06-01").await.location().to_owned();
    let made_up = (0..20_u64).map(|number| format!("c-{}", 13_700_009_000 + number));
    for id in made_up.chain([hidden, "nobody".to_owned()]) {
        let after = format!("/calls/next?day=2025-06-01&after=2025-06-01T02:00:00.000Z,alicom,{id}");
        assert_eq!(reviewer.get(&after).await.location(), first, "{id}");
    }
    // Behind one that is known the walk goes on.
    let behind: BTreeSet<_> = {
        let mut seen = BTreeSet::new();
        for id in ["a", "b", "c", "d"] {
            let after = format!("/calls/next?day=2025-06-01&after=2025-06-01T02:00:00.000Z,alicom,{id}");
            seen.insert(reviewer.get(&after).await.location().to_owned());
        }
        seen
    };
    assert_eq!(behind.len(), 4, "each has another behind it: {behind:?}");
}
