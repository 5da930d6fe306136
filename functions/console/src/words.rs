//! The words of the pages: one table, a row each, English and Chinese side by side. What files have as well, outcomes and the like, stands in
//! [`readers::names`].
//!
//! The Chinese is that of the platforms' own consoles (任务, 接通率, 意向, 录音, 通话记录, 外呼, 被叫, 挂断方). docs/console.md tells which
//! word stands for which term of the model.

mod values;

/// A language of the pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Language {
    English,
    Chinese,
}

impl Language {
    pub(crate) const ALL: [Self; 2] = [Self::English, Self::Chinese];

    /// Its name in headers, settings and HTML.
    pub(crate) fn tag(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::Chinese => "zh",
        }
    }

    /// As HTML's `lang` has it: which glyphs a browser chooses depends on it.
    pub(crate) fn html(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::Chinese => "zh-CN",
        }
    }

    /// Its own name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::English => "English",
            Self::Chinese => "简体中文",
        }
    }

    pub(crate) fn tagged(tag: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.tag() == tag)
    }

    pub(crate) fn words(self) -> &'static Words {
        match self {
            Self::English => &ENGLISH,
            Self::Chinese => &CHINESE,
        }
    }
}

macro_rules! words {
    ($( $name:ident: $english:literal, $chinese:literal; )*) => {
        /// The words of a language.
        pub(crate) struct Words { $( pub(crate) $name: &'static str, )* }
        static ENGLISH: Words = Words { $( $name: $english, )* };
        static CHINESE: Words = Words { $( $name: $chinese, )* };
        #[cfg(test)]
        const ROWS: &[(&str, &str, &str)] = &[$( (stringify!($name), $english, $chinese), )*];
    };
}

words! {
    // The frame.
    today: "Today", "今日概览";
    calls: "Calls", "通话记录";
    tasks: "Tasks", "任务";
    operations: "Operations", "运维";
    sign_out: "Sign out", "退出登录";
    sign_in: "Sign in", "登录";
    skip: "Skip to content", "跳到正文";
    time_zone: "Time zone", "时区";
    apply: "Apply", "应用";
    as_json: "As JSON", "JSON 数据";
    menu: "Pages", "主导航";
    settings: "Language and time zone", "语言与时区";

    // Signs. Chinese ones are as wide as a character and need no space.
    colon: ": ", "：";
    stop: ". ", "。";
    and: ", ", "、";
    open: " (", "（";
    close: ")", "）";

    // What calls have.
    call_time: "Call time", "呼叫时间";
    platform: "Platform", "平台";
    task: "Task", "任务";
    callee: "Callee", "被叫号码";
    caller: "Calling number", "主叫号码";
    display_number: "Displayed number", "外显号码";
    outcome: "Outcome", "呼叫结果";
    duration: "Duration", "通话时长";
    ringing: "Ringing", "振铃时长";
    billed: "Billed", "计费时长";
    cost: "Cost", "费用";
    intent: "Intent", "意向";
    tags: "Tags", "标签";
    hangup_by: "Ended by", "挂断方";
    recording: "Recording", "录音";
    recordings: "Recordings", "录音文件";
    attempt: "Attempt", "呼叫轮次";
    out_id: "Your ID", "外部 ID";
    call_id: "Call ID", "通话 ID";
    script: "Script", "话术 ID";
    batch: "Batch", "批次 ID";
    callee_id: "Callee reference", "被叫标识";
    received: "First received", "首次接收时间";
    without_task: "Without a task", "未归属任务";
    unknown: "Unknown", "未知";
    none: "None", "无";
    unknown_number: "Number unknown", "号码未知";

    // Times of a call.
    timeline: "Timeline", "通话过程";
    submitted: "Requested", "提交";
    originated: "Dialed", "发起呼叫";
    rang: "Ringing", "振铃";
    answered_at: "Answered", "接通";
    ended: "Ended", "结束";

    // Today.
    answered: "Answered", "已接通";
    answer_rate: "Answer rate", "接通率";
    connected: "Picked up (with voicemail)", "接通（含语音信箱等）";
    talk_time: "Talk time", "总通话时长";
    median_duration: "Median duration", "通话时长中位数";
    p90_duration: "90% of calls last at most", "90% 的通话不超过";
    by_hour: "Calls by hour", "各时段呼叫量";
    by_outcome: "Outcomes", "呼叫结果分布";
    by_intent: "Intents", "意向分布";
    hour: "Hour", "时段";
    count: "Calls", "呼叫量";
    share: "Share", "占比";
    table: "Table", "查看数据";
    last_pushes: "Last push of each function", "各类推送的最近接收时间";
    push: "Push", "推送原文";
    none_lately: "No push among the newest calls.", "最近的通话中没有推送记录。";
    attention: "Needs attention", "需要关注";
    all_well: "Nothing needs attention.", "暂无需要关注的事项。";
    recordings_by_state: "Recordings", "录音状态";
    no_calls_on_day: "No calls on this day.", "当天没有通话。";
    previous_day: "Previous day", "前一天";
    next_day: "Next day", "后一天";
    day: "Day", "日期";
    partial_counts: "Only the newest 20,000 calls are counted here.", "此处仅统计最近的 20,000 通呼叫。";
    as_of: "As of", "数据截至";

    // Lists.
    filter: "Filter", "筛选";
    more_filters: "More filters", "更多筛选";
    clear: "Clear", "清除筛选";
    from: "From", "开始日期";
    to: "To", "结束日期";
    any: "Any", "不限";
    yes: "Yes", "有";
    no: "No", "无";
    with_recording: "Has a recording", "有无录音";
    review_state: "Reviewed", "收听状态";
    heard: "Heard", "已听";
    not_heard: "Not heard", "未听";
    at_least: "At least (s)", "最短时长（秒）";
    at_most: "At most (s)", "最长时长（秒）";
    order: "Order", "排序";
    newest_first: "Newest first", "从新到旧";
    oldest_first: "Oldest first", "从旧到新";
    find_number: "Find a number", "按号码查找";
    number_hint: "The whole number. The search is recorded.", "请输入完整号码，查找操作会被记录。";
    number_again: "Enter the number: a whole one, without *. A search ends after half an hour.", "请输入完整号码（不含 *）。查找结果保留半小时，之后需重新查找。";
    numbers_elsewhere: "Enter phone numbers in \"Find a number\" alone. What you type here becomes part of the address of the page.", "电话号码请在“按号码查找”中输入；此处填写的内容会出现在网址中。";
    found_for: "Calls to", "被叫号码";
    find: "Find", "查找";
    download: "Download", "下载";
    export: "Download", "导出";
    download_list: "Download this list", "导出当前列表";
    with_numbers: "with numbers (recorded)", "含完整号码（导出操作会被记录）";
    next_page: "Next page", "下一页";
    first_page: "First page", "第一页";
    no_calls: "No call matches.", "没有符合条件的通话。";
    no_calls_hint: "Try other days, or fewer filters.", "请更换日期，或减少筛选条件。";
    page_short: "No call of the days that were looked at so far matches. There is more on the next page.", "目前已检索的日期中没有符合条件的通话，请查看下一页。";
    next_unheard: "Next unheard call", "下一通未听通话";
    no_unheard: "No unheard call matches this filter.", "没有符合条件的未听通话。";
    passed_over: "Calls whose ID tells a number are passed over.", "ID 含有号码的通话除外。";

    // One call.
    call: "Call", "通话详情";
    facts: "Facts", "基本信息";
    transcript: "Conversation", "对话记录";
    no_transcript: "No conversation came for this call.", "该通话没有对话记录。";
    agent: "Agent", "机器人";
    customer: "Callee", "客户";
    someone: "Speaker unknown", "说话人未知";
    interrupts: "interrupts", "打断";
    player: "Player", "播放器";
    play: "Play", "播放";
    pause: "Pause", "暂停";
    back_5: "Back 5 s", "快退 5 秒";
    ahead_5: "Ahead 5 s", "快进 5 秒";
    speed: "Speed", "播放速度";
    lanes: "Who speaks when; click to go there", "双方说话时段，点击可跳转";
    keys_help: "Space plays; ← → go 5 s; J and K go to the next and the previous turn; 1 2 3 give the verdict, 4 takes it back; N notes; S saves and opens the next call.",
        "空格播放/暂停；← → 快退/快进 5 秒；J K 下一句/上一句；1 2 3 选择质检结论，4 撤销；N 写备注；S 保存并打开下一通。";
    keys: "Keyboard", "快捷键";
    cannot_play: "This browser can't play this format. Download the recording to hear it.", "浏览器无法播放此格式，请下载后收听。";
    playing_failed: "The recording could not be loaded. It is asked for again.", "录音加载失败，正在重试。";
    no_recording: "No recording came for this call.", "该通话没有录音。";
    may_not_listen: "You may not listen to recordings (permission recordings.listen). Ask your callvault administrator for it.", "没有收听录音的权限（recordings.listen），请联系 callvault 管理员开通。";
    without_times: "The platform gives no times for the turns, so you can't jump to one.", "平台未提供每句话的时间，无法按对话跳转。";
    guessed_times: "The platform gives no time for these turns: it is estimated from the turns before and after.", "表示平台未提供该句时间，所示时间按前后语句推算。";
    size: "Size", "大小";
    reason: "Reason", "原因";
    own_words: "(the platform's own words)", "（平台原文）";
    next_try: "Next try", "下次尝试";
    expires: "Link expires", "链接失效时间";
    link_expired: "Link expired", "链接失效时间";
    lost_at: "Given up", "停止尝试时间";
    tries: "Tries", "尝试次数";
    slot_main: "Both sides", "通话录音";
    slot_full: "Full recording", "完整录音";
    slot_customer: "Callee only", "客户录音";
    slot: "Recording", "录音";
    state_pending: "Waiting", "等待归档";
    state_archived: "Archived", "已归档";
    state_expired: "Expired", "链接已失效";
    state_failed: "Failed", "归档失败";
    told_pending: "It is being fetched from the platform.", "正在从平台获取。";
    told_retried: "It could not be fetched so far, and is tried again.", "暂未获取成功，将继续重试。";
    told_host: "Not fetched: its host is not allowed. If the host belongs to the platform, ask your callvault administrator to add it to RecordingHosts and deploy again. callvault tries again at least every hour.",
        "录音未获取：所在主机不在允许范围内。若该主机属于平台，请联系 callvault 管理员将其加入 RecordingHosts 并重新部署；系统至少每小时重试一次。";
    told_address: "Not fetched: the address of its host is not public. If that is meant, ask your callvault administrator to allow it in RecordingHosts by its exact host and port (host:port).",
        "录音未获取：所在主机的地址不是公网地址。若确需获取，请联系 callvault 管理员在 RecordingHosts 中填写准确的主机和端口（host:port）。";
    told_expired: "The platform's link expired before it could be fetched.", "平台链接在获取前已失效。";
    told_failed: "The platform could not provide it.", "未能从平台获取。";
    review: "Review", "质检";
    verdict: "Verdict", "质检结论";
    no_verdict: "None", "未评定";
    note: "Note", "备注";
    save: "Save", "保存";
    save_next: "Save and next", "保存并打开下一通";
    mark_heard: "Saving marks the call as heard.", "保存后标记为已听。";
    heard_by: "Heard by", "收听人";
    noted_by: "Noted by", "质检人";
    may_not_review: "You may not review calls (permission calls.review). Ask your callvault administrator for it.", "没有质检权限（calls.review），请联系 callvault 管理员开通。";
    not_reviewed: "Nobody has heard this call yet.", "该通话尚无人收听。";
    reveal: "Reveal number", "查看完整号码";
    reveal_hint: "This is recorded.", "查看操作会被记录。";
    revealed: "The number is shown on this page once, and it is recorded that you saw it.", "完整号码仅在本页显示一次，本次查看已记录。";
    pushes: "Pushes", "推送记录";
    push_needs: "You may not read pushes (permission calls.pii). Ask your callvault administrator for it.", "没有查看推送原文的权限（calls.pii），请联系 callvault 管理员开通。";
    who_looked: "Who looked", "访问记录";
    nobody_looked: "Nobody before you.", "此前无人访问。";
    codes: "Platform's codes", "平台状态码";
    extra: "Unknown fields", "其他字段";
    variables: "Script variables", "话术变量";

    // Tasks.
    task_calls: "Calls of this task", "该任务的通话记录";
    name_task: "Name", "任务名称";
    rename: "Save name", "保存名称";
    name_hides: "Seven and more digits in a name are hidden: everybody sees it.", "名称对所有人可见，其中 7 位及以上的连续数字已隐藏。";
    task_id: "Task ID", "任务 ID";
    task_or_name: "Task (name or ID)", "任务（名称或 ID）";
    tasks_named: "Tasks of this name", "名称相符的任务";
    funnel: "From called to intent", "呼叫转化漏斗";
    stage: "Stage", "阶段";
    called: "Called", "已呼叫";
    first_call: "First call", "首次呼叫";
    last_call: "Last call", "最近一次呼叫";
    no_tasks: "No task had calls on this day.", "当天没有任务产生呼叫。";
    as_csv: "CSV", "CSV";
    as_excel: "Excel", "Excel";
    no_such_task: "There is no call of such a task.", "没有该任务的通话。";
    other_intents: "Other intents", "其他意向";
    other_tags: "Other tags", "其他标签";
    file_table: "Table", "统计维度";
    file_name: "Item", "项目";
    id_tells: "Its ID contains the phone number. You need the permission to see numbers (calls.pii) to open it.", "该 ID 中含有号码，需有查看完整号码的权限（calls.pii）才能打开。";

    // Operations.
    waiting: "Waiting to be archived", "等待归档的录音";
    waiting_none: "No recording waits.", "没有等待归档的录音。";
    lost: "Lost recordings", "未能归档的录音";
    lost_none: "No recording was lost.", "没有未能归档的录音。";
    rejects_none: "Nothing was rejected.", "没有被拒收的推送。";
    findings: "What is wrong, and what to do", "问题与处理建议";
    problems: "Findings", "问题数";
    findings_none: "Nothing is wrong with archiving.", "归档运行正常。";
    runs: "Last runs", "最近运行记录";
    function: "Function", "函数";
    shard: "Shard", "分片";
    last_run: "Last run", "最近运行";
    running: "at work", "运行中";
    never_ran: "no run yet", "尚未运行";
    more_than_shown: "There are more than are shown.", "仅显示部分记录。";
    place_in_list: "Place in the list", "翻页位置";
    per_page: "Calls a page", "每页条数";
    changed_since: "Changed since", "更新时间不早于";
    due_now: "Ready to be fetched", "已到处理时间";
    dead_letters: "Dead letters", "死信";
    dead_letters_are: "What was given up, and lies in a queue until somebody looks.", "多次重试仍失败、留在队列中等待人工处理的消息。";
    dead_runs: "Scheduled runs and changes", "定时任务与数据变更";
    dead_events: "Events", "事件通知";
    dead_letters_unknown: "\"Unknown\" means that no queue is set, or that it does not answer.", "“未知”表示未配置该队列，或队列无响应。";
    dead_letters_todo: "Each message tells the error. What to do stands in docs/operating.md, under DeadLettersAlarm and EventDeadLettersAlarm.",
        "消息中有失败原因；处理方法见 docs/operating.md 中的 DeadLettersAlarm 和 EventDeadLettersAlarm。";

    // Problems.
    wrong: "This did not work", "无法完成请求";
    not_found: "There is nothing here.", "页面不存在。";
    no_such_call: "There is no such call: no push of it came, or it was erased.", "该通话不存在：未收到推送，或已被删除。";
    bad_value: "This value is not understood", "取值无效";
    unknown_filter: "There is no such filter here", "不支持的筛选条件";
    repeated_filter: "This filter is given twice", "筛选条件重复";
    filters_together: "These filters conflict with each other", "以下筛选条件互相冲突";
    looks_like_number: "Searching by phone number needs the permission calls.pii, and this value may be one", "没有按号码查找的权限（calls.pii），以下条件的值可能是号码";
    no_name: "a filter without a name", "没有名称的筛选条件";
    bad_address: "The address of this page can't be read: a character in it is not written as addresses have it.", "网址无法识别：包含未正确编码的字符。";
    too_long: "This is too long for a filter or a form.", "内容过长，超出筛选条件或表单的限制。";
    forbidden: "You may not do this. It needs the permission", "没有访问权限，所需权限";
    forbidden_hint: "Ask your callvault administrator for it.", "请联系 callvault 管理员开通。";
    nothing_allowed: "You are signed in, and may see nothing yet.", "登录成功，但尚未开通任何权限。";
    too_much: "This is too much for one file: choose fewer days.", "数据过多，无法导出为一个文件，请缩短日期范围。";
    not_archived: "This recording is not in the archive.", "该录音没有归档，无法收听。";
    later: "Something does not answer. Try again in a moment.", "服务暂时无响应，请稍后重试。";
    broken: "The stored data can't be read. Tell your callvault administrator when this happened.", "数据无法读取，请将出错时间告知 callvault 管理员。";
    stale_form: "This form has expired, and nothing of it was kept. Go back, copy what you wrote, reload the page, and try again.", "表单已失效，内容未保存。请返回复制所填内容，刷新页面后重试。";
    sign_in_failed: "The sign-in did not work. Try it again.", "登录失败，请重试。";
    no_sign_in: "Nobody can sign in: the settings of the issuer or of the session key are missing. Tell your callvault administrator.", "无法登录：缺少身份提供商或会话密钥的配置，请联系 callvault 管理员。";
    signed_out: "You are signed out.", "已退出登录。";
    session_ended: "Your session has ended, and what you sent was not saved. To keep your text, go back and copy it before you sign in again.",
        "登录已失效，刚才提交的内容未保存。如需保留，请先返回复制，再重新登录。";
    try_again: "Try again", "重试";
    back: "Back to the start", "返回首页";
    method: "This page does not take this kind of request.", "不支持该请求方式。";
}

impl Words {
    /// Whether these are the Chinese words.
    pub(crate) fn is_chinese(&self) -> bool {
        std::ptr::eq(self, &CHINESE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_han(character: char) -> bool {
        ('\u{4e00}'..='\u{9fff}').contains(&character)
    }

    #[test]
    fn no_row_is_blank_and_no_chinese_one_is_english() {
        // Names that are the same in both, and signs.
        const SAME: [&str; 2] = ["as_csv", "as_excel"];
        const SIGNS: [&str; 5] = ["colon", "stop", "and", "open", "close"];
        for (name, english, chinese) in ROWS {
            assert!(!english.trim().is_empty() && !chinese.trim().is_empty(), "{name}");
            let is_word = chinese.chars().any(is_han) || SAME.contains(name);
            assert!(is_word != SIGNS.contains(name), "{name}: {chinese}");
            assert!(english.is_ascii() || english.contains(['←', '→']), "{name}: {english}");
        }
    }

    #[test]
    fn chinese_has_its_own_signs_and_one_word_for_one_thing() {
        for (name, _, chinese) in ROWS {
            for (at, _) in chinese.match_indices([',', ':', ';', '!', '?', '(', ')']) {
                let beside = [chinese[..at].chars().next_back(), chinese[at + 1..].chars().next()];
                assert!(!beside.into_iter().flatten().any(is_han), "{name}: {chinese}");
            }
            // Spoken, or another word for what is called otherwise everywhere else.
            for word in ["通电话", "个录音", "已过期", "混音"] {
                assert!(!chinese.contains(word), "{name}: {chinese}");
            }
        }
    }
}
