//! What a list is filtered by, and what intents are called.

use serde_json::json;

use crate::browser::Browser;
use crate::rig::{ALL, MASKED, NUMBER, Rig, report};

const DAY: &str = "day=2025-06-01";

#[tokio::test(flavor = "multi_thread")]
async fn several_outcomes_stay_chosen_in_the_form_and_in_every_link() {
    let rig = Rig::empty().await;
    for (id, outcome) in [("a", "ANSWERED"), ("b", "USER_BUSY"), ("c", "NO_ANSWER")] {
        let mut one = report(id, "2025-06-01 10:00:00");
        one[0]["smartStatusCode"] = json!(outcome);
        rig.push("alicom-call-report", &one).await;
    }
    let mut browser = Browser::of(&rig, ALL).await;
    let both = "outcome=busy&outcome=no_answer";
    let shown = browser.get(&format!("/calls?{DAY}&{both}")).await;
    shown.has("/calls/alicom/b?").has("/calls/alicom/c?").lacks("/calls/alicom/a?");
    for chosen in ["busy", "no_answer"] {
        shown.has(&format!("name=\"outcome\" value=\"{chosen}\" checked>"));
    }
    assert_eq!(shown.text.matches(" checked>").count(), 2, "{}", shown.text);
    shown.has("<span class=\"chosen\">No answer, Busy</span>");
    let links: Vec<_> = shown.links().into_iter().filter(|link| link.contains("outcome=")).collect();
    assert!(links.len() >= 4, "{links:?}");
    assert!(links.iter().all(|link| link.contains(both)), "{links:?}");
    // As the form sends them: with all that is blank.
    let form = format!("/calls?from=2025-06-01&to=2025-06-01&task=&{both}&intent=&reviewed=&tag=&order=");
    browser.get(&form).await.has("/calls/alicom/b?").has("/calls/alicom/c?").lacks("/calls/alicom/a?");
    browser.get(&format!("/calls?{DAY}")).await.has("<span class=\"chosen\">Any</span>").lacks(" checked>");
    // One alone may stand there several times.
    browser.get(&format!("/calls?{DAY}&intent=A&intent=B")).await.has("This filter is given twice");
}

/// A number is found however an input method, or a list of contacts, writes it.
#[tokio::test(flavor = "multi_thread")]
async fn a_number_is_found_in_whichever_digits_and_signs_it_is_typed() {
    let rig = Rig::new().await;
    let mut lead = Browser::of(&rig, ALL).await;
    let wide: String = NUMBER
        .chars()
        .map(|digit| char::from_u32(u32::from('０') + digit.to_digit(10).unwrap()).unwrap())
        .collect();
    for typed in [
        format!(" {}-{} {}", &NUMBER[..3], &NUMBER[3..7], &NUMBER[7..]),
        format!("+86 {NUMBER}"),
        format!("＋８６　{wide}"),
        format!("（{}）－{}", &wide[..9], &wide[9..]),
        format!("\u{202d}{NUMBER}\u{202c}"),
        wide.clone(),
        format!("\"{NUMBER}\","),
        format!("{NUMBER}。"),
        format!("tel:{NUMBER}"),
    ] {
        let found = lead.submit_and_see("/calls", "/calls", &[("number", &typed)]).await;
        assert!(found.text.contains("/calls/alicom/1000~5E7"), "{typed:?}: {}", found.text);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_is_found_by_its_name_and_a_number_is_no_task() {
    let rig = Rig::empty().await;
    for (id, task) in [("a", "task-1"), ("b", "task-2"), ("c", "task-3")] {
        let mut one = report(id, "2025-06-01 10:00:00");
        one[0]["taskId"] = json!(task);
        rig.push("alicom-call-report", &one).await;
    }
    let mut browser = Browser::of(&rig, ALL).await;
    for (task, name) in [("task-1", "Spring Drive"), ("task-2", "Spring"), ("task-3", "六月回访")] {
        let page = format!("/tasks/alicom/{task}");
        assert_eq!(browser.submit(&page, &format!("{page}/name"), &[("name", name)]).await.status, 303);
    }
    let mut look = async |task: &str, more: &str| {
        let task: String = url::form_urlencoded::byte_serialize(task.as_bytes()).collect();
        browser.get(&format!("/calls?{DAY}&task={task}{more}")).await
    };
    // By all of a name, or a part that no other has; other filters stay.
    for (typed, task) in [("spring", "task-2"), (" DRIVE ", "task-1"), ("回访", "task-3")] {
        let shown = look(typed, "&outcome=busy").await;
        assert_eq!(
            (shown.status, shown.location()),
            (303, &*format!("/calls?day=2025-06-01&outcome=busy&provider=alicom&task={task}")),
            "{typed}"
        );
    }
    // Of several one chooses.
    let several = look("spr", "").await;
    several.has("Tasks of this name").has("task=task-1").has("task=task-2").lacks("task=task-3");
    look("autumn", "").await.has("No call matches");
    // An id is an id, be there calls of this filter or not.
    look("task-1", "").await.has("/calls/alicom/a?");
    look("task-1", "&outcome=busy").await.has("No call matches");
    // What is a number belongs where it stands in no address.
    let shown = look(NUMBER, "").await;
    assert_eq!((shown.status, shown.location()), (303, "/calls/found"));
    look("task-1", "").await.has("What you type here becomes part of the address");
    Browser::of(&rig, MASKED)
        .await
        .get("/calls")
        .await
        .lacks("What you type here becomes part of the address");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_least_duration_above_the_greatest_is_told() {
    let rig = Rig::empty().await;
    let shown = Browser::of(&rig, ALL).await.get("/calls?min_duration_s=20&max_duration_s=10").await;
    assert_eq!(shown.status, 400);
    shown.has("At most (s)");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_intent_is_called_by_its_name_where_a_platform_tells_it() {
    let rig = Rig::empty().await;
    for (id, code, name) in
        [("1", "302", "Wants a call back"), ("2", "302", "Wants a call back"), ("3", "7", "")]
    {
        let call = json!({
            "callId": id, "robotCallJobId": "job-1", "calledPhoneNumber": NUMBER, "resultStatus": "ANSWERED",
            "chatDuration": 9, "intentLevel": code, "intentLevelDetailName": name, "startTime": 1_748_743_200,
        });
        rig.push("ai-voice-call-record", &call).await;
    }
    let mut browser = Browser::of(&rig, MASKED).await;
    let task = browser.get("/tasks/ai-voice/job-1").await;
    task.has("Intent 302 Wants a call back</a>").has("Intent 7</a>").has("intent=302\"");
    browser.get("/tasks?day=2025-06-01").await.has("302 Wants a call back");
    browser.get("/?day=2025-06-01").await.has("302 Wants a call back</a>");
    browser.get("/tasks/ai-voice/job-1.csv").await.has("302 Wants a call back,2");
    // Its calls are those of the code.
    browser.get("/calls?day=2025-06-01&intent=302").await.has("/calls/ai-voice/1?").has("/calls/ai-voice/2?");
}

/// For whoever may see numbers a list goes by names as they came: one that is shown without its number has no link, rather than one to no call.
#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_is_blacked_out_leads_to_its_calls_or_nowhere() {
    let rig = Rig::new().await;
    let tags = json!({"plain": [], (format!("call {NUMBER}")): []});
    let note = json!([{"callId": "1000^7", "taskId": "task-1", "majorIntent": format!("A {NUMBER}"), "outputTags": tags}]);
    rig.push("alicom-call-note", &note).await;
    let task = "/tasks/alicom/task-1";
    let today = format!("/?{DAY}");
    let link = |part: &str| format!("{part}\">");
    let blacked =
        ["tag=call%20%2A%2A%2A%2A%2A%2A%2A%2A%2A%2A%2A", "intent=A%20%2A%2A%2A%2A%2A%2A%2A%2A%2A%2A%2A"];
    let mut lead = Browser::of(&rig, ALL).await;
    let shown = lead.get(task).await;
    shown.has(&link("tag=plain")).has("call ***********").has("A ***********").lacks("%2A%2A");
    lead.get(&today).await.has("A ***********").lacks("%2A%2A");
    let mut reviewer = Browser::of(&rig, MASKED).await;
    let shown = reviewer.get(task).await;
    for part in blacked {
        shown.has(&link(part));
        reviewer.get(&format!("/calls?{DAY}&task=task-1&{part}")).await.has("/calls/alicom/1000~5E7?");
    }
}
