//! What is wrong with archiving and what to do, in the words of a page. English is that of the operator's commands; the Chinese stands here,
//! one row for each kind and each cause, so that none can be without.

use std::collections::{BTreeMap, BTreeSet};

use maud::{Markup, html};
use readers::Problem;
use readers::recording::masks;
use runtime::health::{
    Cause, Expiries, FailurePlace, Failures, Finding, OfS3, RefusedHost, call_of, free_by_hand,
};
use shared::masking;
use shared::model::Instant;

use crate::frame::{Frame, brief};
use crate::{Asked, reasons};

/// The longest text that tells what is wrong, in characters, and the longest that tells what to do.
const MAX_WHAT_CHARACTERS: usize = 400;
const MAX_TODO_CHARACTERS: usize = 600;

/// What the calls that findings name are called where no number is to be told, by the names that they have there.
pub(crate) type Hidden = BTreeMap<String, String>;

/// What is hidden of the names of calls, by what is stored of these. Of one of which nothing is, each digit may be a number's.
pub(crate) async fn hidden(asked: &Asked<'_>, findings: &[Finding]) -> Result<Hidden, Problem> {
    let named: BTreeSet<&str> = findings.iter().flat_map(Finding::calls).collect();
    let keys: BTreeMap<_, _> = named.iter().filter_map(|named| Some((*named, call_of(named)?))).collect();
    let masks = masks(&asked.visit, keys.values().cloned()).await?;
    let hidden = named.into_iter().map(|named| {
        let shown = match keys.get(named).and_then(|key| masks.get(key)) {
            Some(mask) => mask.id(named).into_owned(),
            None => named.chars().map(|it| if it.is_numeric() { '*' } else { it }).collect(),
        };
        (named.to_owned(), shown)
    });
    Ok(hidden.filter(|(named, shown)| named != shown).collect())
}

/// A finding in the words of the page, its times in the page's zone.
pub(crate) fn told(frame: &Frame<'_>, finding: &Finding, hidden: &Hidden) -> Markup {
    let time = |at| frame.time(at);
    let (what, todo) = match frame.words.is_chinese() {
        true => (what(finding, &time), todo(finding)),
        false => (finding.what(&time), sentence(&finding.todo())),
    };
    let [what, todo] = without_numbers([what, todo], hidden);
    html! {
        strong { (marked(&brief(&what, MAX_WHAT_CHARACTERS))) }
        p.quiet { (marked(&brief(&todo, MAX_TODO_CHARACTERS))) }
    }
}

/// What is told, which names calls, without their numbers and without what looks like one.
pub(crate) fn without_numbers(told: [String; 2], hidden: &Hidden) -> [String; 2] {
    // The longest first: one may be the beginning of another.
    let mut hidden: Vec<_> = hidden.iter().collect();
    hidden.sort_by_key(|(named, _)| std::cmp::Reverse(named.len()));
    told.map(|text| {
        let text = hidden.iter().fold(text, |text, (named, shown)| text.replace(*named, shown));
        masking::Hidden::default().in_id(&text).into_owned()
    })
}

/// A text whose commands and settings stand between backquotes.
fn marked(text: &str) -> Markup {
    html! {
        @for (at, part) in text.split('`').enumerate() {
            @if at % 2 == 1 { code { (part) } } @else { (part) }
        }
    }
}

/// A text that begins as a sentence does.
fn sentence(text: &str) -> String {
    let mut characters = text.chars();
    match characters.next() {
        Some(first) => first.to_uppercase().chain(characters).collect(),
        None => String::new(),
    }
}

/// What is wrong, in Chinese.
fn what(finding: &Finding, time: &dyn Fn(Instant) -> String) -> String {
    match finding {
        Finding::NoWrites(reason) => format!("数据表无法写入：{reason}"),
        Finding::NoBucket(reason) => format!("无法访问存储桶：{reason}"),
        Finding::Unreadable { first, more: 0 } => {
            format!("{first}：数据已保存，但当前版本无法将其识别为录音")
        }
        Finding::Unreadable { first, more } => {
            format!("{first} 等 {} 条：数据已保存，但当前版本无法将其识别为录音", more + 1)
        }
        Finding::LeaseUnreadable { shard } => format!("分片 {shard}：租约数据已保存，但当前版本无法识别"),
        Finding::LeaseTooLong { shard, until } => format!(
            "分片 {shard}：租约有效期至 {}，远超正常时长，可能是时钟不准（持有租约的运行实例，或本机）",
            time(*until)
        ),
        Finding::RunsAhead { shards: of, at } => format!(
            "{}：最近一次运行的结束时间为 {}，晚于当前时间，可能是时钟不准（该次运行的实例，或本机）",
            shards(of),
            time(*at)
        ),
        Finding::NobodyCame(of) => {
            format!("{}：有录音已到处理时间，但归档程序超过 6 分钟未运行，或每次运行都立即失败", shards(of))
        }
        Finding::RunDied(of) => format!(
            "{}：归档程序的一次运行异常退出，此后超过 6 分钟未再运行，或每次运行都立即失败",
            shards(of)
        ),
        Finding::Late(count) => format!("{count} 条录音到处理时间后超过 1 小时仍未处理"),
        Finding::Past(Expiries { count, first_at, first }) => {
            format!("{count} 条录音的链接已过有效期，最早失效的是 {first}（{}）", time(*first_at))
        }
        Finding::Soon(Expiries { count, first_at, first }) => {
            format!("{count} 条录音的链接将在 24 小时内失效，最先失效的是 {first}（{}）", time(*first_at))
        }
        Finding::Failures(failures) => failed(failures),
        Finding::Deaths { count, worst, runs } => {
            format!("归档程序处理 {count} 条录音时异常退出，其中 {worst} 次数最多（{runs} 次）")
        }
        Finding::NoSecret(reason) => format!("无法更新录音链接：{reason}"),
    }
}

/// What to do, in Chinese.
fn todo(finding: &Finding) -> String {
    let told = match finding {
        Finding::NoWrites(_) => {
            "恢复写入之前，所有运行都会立即失败（FunctionErrorsAlarm）。ProvisionedThroughputExceededException 和 ThrottlingException 会自行恢复；\
             InternalServerError 如持续出现，是 AWS 侧故障，在本机则是磁盘已满（`df`）；KMS 开头的错误码与数据表的密钥有关。"
        }
        Finding::NoBucket(_) => {
            "如归档程序同样无法访问，恢复之前无法归档。请检查存储桶、所在区域、S3_ENDPOINT 和网络。"
        }
        Finding::Unreadable { .. } => {
            "请查看该数据项（`aws dynamodb get-item`）：是人工写入，还是由更高版本写入？请修复或删除。其他录音不受影响，每次运行会跳过它（RecordingsUnreadableAlarm）。"
        }
        Finding::LeaseUnreadable { shard } => {
            return format!("下次运行会重新写入；如仍未恢复，请释放该分片：`{}`", free_by_hand(*shard));
        }
        Finding::LeaseTooLong { shard, .. } => {
            return format!(
                "请将本机 `date -u` 的时间与函数日志核对；如该次运行已结束，请释放该分片：`{}`",
                free_by_hand(*shard)
            );
        }
        Finding::RunsAhead { .. } => {
            "请将本机 `date -u` 的时间与函数日志核对。时钟恢复正常之前，此处显示的时间和时长均不可信。"
        }
        Finding::NobodyCame(_) | Finding::RunDied(_) => {
            "archive-recordings 的定时任务是否启用？调用是否失败或被限流（FunctionErrorsAlarm、FunctionsThrottledAlarm）？日志中是否有 leases_not_renewed，是否有 `archive`？\
             TableThrottledAlarm 和 AccessDenied 与数据表有关。"
        }
        Finding::Late(_) => {
            "如运行正常（见“最近运行记录”），说明待处理量超过处理能力：请调高 ArchiveWorkers、ArchiveMemoryMb、ArchiveConcurrencyPerHost。"
        }
        Finding::Past(_) => {
            "系统仍会继续尝试：可能获取到新链接，录音服务器也可能仍接受旧链接。请处理下方的问题；在 ProviderSecretArn 中配置平台密钥后，链接可以更新。"
        }
        Finding::Soon(_) => "请处理下方的问题，然后可用 `callvault archive --call` 立即归档某一条。",
        Finding::Failures(failures) => return mend(failures),
        Finding::Deaths { .. } => {
            let todo = cause(Cause::ArchiverDies, None).1;
            return format!("满 6 次后放弃；在此期间其他录音照常归档。{todo}");
        }
        Finding::NoSecret(_) => cause(Cause::SecretUnreadable, None).1,
    };
    told.to_owned()
}

fn shards(shards: &BTreeSet<u8>) -> String {
    let numbers: Vec<_> = shards.iter().map(u8::to_string).collect();
    format!("分片 {}", numbers.join("、"))
}

fn failed(failures: &Failures) -> String {
    let Failures { place, cause: of, code, refused, count, has_more, is_lost, example, calls } = failures;
    let place = match place {
        FailurePlace::Host(host) => host,
        FailurePlace::NoHost => "无链接",
        FailurePlace::Bucket => "存储桶",
    };
    let least = if *has_more { "至少 " } else { "" };
    let fate =
        if *is_lost { "最近 24 小时内未能归档" } else { "暂未归档成功，将继续重试" };
    let why = match refused {
        Some(RefusedHost { host, is_redirect: true, .. }) if *of == Cause::HostNotAllowed => {
            format!("重定向到 {host}，该主机不在 RecordingHosts 允许范围内")
        }
        Some(RefusedHost { host, is_redirect: true, .. }) => format!("重定向到 {host}，其地址不是公网地址"),
        _ => cause(*of, code.as_deref()).0,
    };
    let example = reasons::in_chinese(example);
    format!("{place}：{least}{count} 条录音{fate}：{why}（“{example}”；{}）", calls.join("、"))
}

fn mend(failures: &Failures) -> String {
    let todo = match &failures.refused {
        Some(refused) => allow(refused),
        None => cause(failures.cause, None).1.to_owned(),
    };
    match failures.is_lost && failures.cause.is_mendable() {
        true => format!(
            "{todo}处理后让未能归档的录音重新进入队列：先运行 `{}`，确认后去掉 --dry-run 再运行。",
            failures.revival()
        ),
        false => todo,
    }
}

/// What to add to `RecordingHosts`, in Chinese.
fn allow(RefusedHost { host, port, is_private, .. }: &RefusedHost) -> String {
    let exact = match port {
        Some(port) => format!("`{host}:{port}`"),
        None => format!("`{host}:443`（或重定向后的端口）"),
    };
    match is_private {
        true => format!(
            "若确需获取，请在 RecordingHosts 中填写准确的 {exact} 并重新部署：非公网地址必须同时写明主机和端口。在此之前，录音会一直等待，直至链接失效；配置生效后一小时内会获取。"
        ),
        false => format!(
            "若该主机属于平台，请在 RecordingHosts 中加入 `{host}` 并重新部署；等待的录音会在一小时内获取，也可用 `callvault archive --call` 立即获取。\
             若是自有的内网地址，请填写准确的 {exact}：只写主机名时，录音会一直等待。"
        ),
    }
}

/// A cause and what to do about it, in Chinese. `code` is S3's own.
fn cause(cause: Cause, code: Option<&str>) -> (String, &'static str) {
    let (cause, todo) = match cause {
        Cause::HostNotAllowed => {
            ("主机不在 RecordingHosts 允许范围内", "若该主机属于平台，请将其加入 RecordingHosts 并重新部署。")
        }
        Cause::UnknownHost => (
            "DNS 无法解析该主机名",
            "请用 `dig` 查询该主机名。如主机已停用，请向平台索取其他链接；如使用自有 VPC，需配置 DNS 解析。",
        ),
        Cause::AddressNotPublic => {
            ("主机的地址不是公网地址", "若确需获取，请在 RecordingHosts 中填写准确的 host:port。")
        }
        Cause::SecretUnreadable => (
            "无法读取保存平台密钥的 Secret",
            "请查看日志中的 secret_unreadable：Secret 的策略、ARN 或内容有误。",
        ),
        Cause::NoKeys => {
            ("链接已失效，且没有用于获取新链接的密钥", "请将平台密钥写入 ProviderSecretArn 指向的 Secret。")
        }
        Cause::NoFreshUrl => (
            "链接已失效，平台接口也未提供新链接",
            "denied 表示 Secret 中的密钥有误；throttled 和 unavailable 会自行恢复。",
        ),
        Cause::Removed => {
            ("平台已删除该录音", "录音已无法找回，并非 callvault 故障；请向平台确认录音的保存期限是否足够。")
        }
        Cause::UrlRefused => (
            "录音服务器拒绝该链接",
            "如同一主机的链接全部被拒绝，说明平台更换了签名方式，或屏蔽了访问方 IP：请联系平台，或让平台重新推送新链接。在 ProviderSecretArn 中配置平台密钥后，链接可以更新。",
        ),
        Cause::NoSuchFile => ("录音服务器上没有该文件", "一小时内可能只是尚未生成；超过一小时请联系平台。"),
        Cause::AskedTooOften => ("对录音服务器的请求过于频繁", "请调低 ArchiveConcurrencyPerHost。"),
        Cause::SourceFails => ("录音服务器出错", "会继续重试；如持续出现，请联系平台。"),
        Cause::SlowAnswer => (
            "录音服务器响应慢",
            "响应时限是 RecordingTimeoutSeconds 的十分之一，至少 20 秒：请调高该值（最大 900，即 90 秒）。如该主机对所有请求都慢，请调低 ArchiveConcurrencyPerHost。",
        ),
        Cause::SlowConnection => (
            "连接录音服务器超时",
            "连接时限是 5 秒，无法通过设置更改。请在函数所在区域用 `curl -v` 测试该主机；如该主机对所有请求都慢，请调低 ArchiveConcurrencyPerHost。",
        ),
        Cause::StopsSending => (
            "录音服务器在传输中途停顿",
            "停顿时限是 20 秒，无法通过设置更改；会继续重试。如该主机对所有请求都慢，请调低 ArchiveConcurrencyPerHost。",
        ),
        Cause::Slow => (
            "录音服务器传输慢",
            "如该主机对所有请求都慢，请调低 ArchiveConcurrencyPerHost；如录音很长，请调高 RecordingTimeoutSeconds（最大 900）。",
        ),
        Cause::ConnectionFails => {
            ("无法连接录音服务器，或连接中断", "请在函数所在区域用 `curl -v` 测试该主机；会继续重试。")
        }
        Cause::NoRecording => {
            ("录音服务器返回的内容不是完整的录音", "请查看该链接返回的内容：可能尚未生成，也可能是登录页面。")
        }
        Cause::ArchiverDies => (
            "归档程序处理该录音时异常退出",
            "请查看日志中的 `Task timed out`、`panicked` 或内存不足（调高 ArchiveMemoryMb），然后运行 `callvault archive --call`。",
        ),
        Cause::TooLarge => (
            "录音大小超过 MaxRecordingBytes",
            "请调高 MaxRecordingBytes 并重新部署，然后运行 `callvault archive --call`。",
        ),
        Cause::UrlUnusable => (
            "平台的链接或其重定向无法获取",
            "仅支持 http 和 https，且链接中不得带有用户名和密码。请让平台以其他链接重新推送该通话，录音随即恢复；可用 `callvault calls show` 查看是哪一通。",
        ),
        Cause::RedirectsEndlessly => (
            "录音服务器多次重定向，未到达文件",
            "最多跟随三次重定向。请用 `curl -vL` 查看该链接，并让平台推送文件的实际链接。",
        ),
        Cause::OfS3(kind) => {
            // Who has no answer has no code of S3's either.
            let code = code.filter(|code| *code != "no answer").unwrap_or("无响应");
            return (format!("S3 拒绝请求或出错：{code}"), of_s3(kind));
        }
        Cause::Other => ("其他原因", "请查看原因，以及当时日志中的 not_archived；会继续重试。"),
    };
    (cause.to_owned(), todo)
}

/// What to do about an answer of S3's, in Chinese.
fn of_s3(kind: OfS3) -> &'static str {
    match kind {
        OfS3::Denied => "归档程序的角色、存储桶或其 KMS 密钥的策略不允许写入：请检查最近改动的是哪一个。",
        OfS3::NoBucket => {
            "存储桶不存在：是否已被删除，或 BUCKET_NAME 有误？请重新部署；在本机请重新启动 `callvault`。"
        }
        OfS3::KeyRefused => {
            "存储桶的 KMS 密钥已停用、即将删除或被拒绝：请启用密钥，并允许归档程序的角色使用（`kms:GenerateDataKey`、`kms:Decrypt`）。"
        }
        OfS3::NoLock => {
            "很可能设置了 RecordingLockDays，而存储桶未启用 Object Lock：请设为 0，或为存储桶启用 Object Lock。"
        }
        OfS3::Busy => "会自行恢复，失败的录音会继续重试；如持续一小时，请调低 ArchiveConcurrency。",
        OfS3::Fails => "会自行恢复，失败的录音会继续重试；在本机请检查磁盘是否已满（`df`）。",
        OfS3::Credentials => "归档程序使用的凭证有误，或时钟不准。",
        OfS3::NoAnswer => {
            "S3 无响应：在 VPC 中请检查 S3 网关端点和路由；检查 S3_ENDPOINT；在本机请确认 `callvault` 正在运行。"
        }
        OfS3::Unknown => "请在 S3 的错误码列表中查询该错误码；失败的录音会继续重试。",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The English words in a text that are no command, name of a setting or host, or code.
    fn english(text: &str) -> Vec<&str> {
        let outside: Vec<_> = text.split('`').step_by(2).collect();
        outside
            .into_iter()
            .flat_map(|part| part.split(|it: char| !(it.is_ascii_alphanumeric() || "_-.:/$".contains(it))))
            .filter(|word| word.len() > 1 && word.chars().all(|it| it.is_ascii_lowercase()))
            .filter(|word| {
                !["callvault", "http", "https", "host:port", "denied", "throttled", "unavailable"]
                    .contains(word)
            })
            .collect()
    }

    fn failures(cause: Cause, is_lost: bool) -> Failures {
        Failures {
            place: FailurePlace::Host("a.example".to_owned()),
            cause,
            code: matches!(cause, Cause::OfS3(_)).then(|| "SlowDown".to_owned()),
            refused: None,
            count: 2,
            has_more: true,
            is_lost,
            example: "the source answered with status 404".to_owned(),
            calls: vec!["alicom/1".to_owned(), "alicom/2".to_owned()],
        }
    }

    fn refused(is_redirect: bool, is_private: bool, cause: Cause) -> Failures {
        let refused = RefusedHost {
            host: "b.example".to_owned(),
            port: (!is_redirect).then_some(81),
            is_redirect,
            is_private,
        };
        Failures { refused: Some(refused), ..failures(cause, false) }
    }

    /// One of each kind.
    fn all() -> Vec<Finding> {
        let at = Instant::from_epoch_millis(1_748_743_200_000).unwrap();
        let expiries = || Expiries { count: 3, first_at: at, first: "alicom/1".to_owned() };
        let of = BTreeSet::from([1, 3]);
        let mut all = vec![
            Finding::NoWrites("InternalServerError".to_owned()),
            Finding::NoBucket("AccessDenied".to_owned()),
            Finding::Unreadable { first: "alicom/1".to_owned(), more: 0 },
            Finding::Unreadable { first: "alicom/1".to_owned(), more: 4 },
            Finding::LeaseUnreadable { shard: 2 },
            Finding::LeaseTooLong { shard: 2, until: at },
            Finding::RunsAhead { shards: of.clone(), at },
            Finding::NobodyCame(of.clone()),
            Finding::RunDied(of),
            Finding::Late(7),
            Finding::Past(expiries()),
            Finding::Soon(expiries()),
            Finding::Deaths { count: 2, worst: "alicom/1".to_owned(), runs: 3 },
            Finding::NoSecret("AccessDeniedException".to_owned()),
        ];
        for cause in Cause::all() {
            all.extend([false, true].map(|is_lost| Finding::Failures(failures(cause, is_lost))));
        }
        for cause in [Cause::HostNotAllowed, Cause::AddressNotPublic] {
            for (is_redirect, is_private) in [(false, false), (false, true), (true, false), (true, true)] {
                all.push(Finding::Failures(refused(is_redirect, is_private, cause)));
            }
        }
        all
    }

    #[test]
    fn no_finding_is_without_chinese_words_and_none_has_english_ones() {
        for finding in all() {
            for text in [what(&finding, &|_| "2025-06-01 10:00:00".to_owned()), todo(&finding)] {
                let is_chinese = text.chars().any(|it| ('\u{4e00}'..='\u{9fff}').contains(&it));
                assert!(is_chinese, "{finding:?}: {text}");
                assert_eq!(english(&text), [""; 0], "{text}");
                assert_eq!(text.matches('`').count() % 2, 0, "{text}");
                for (at, _) in text.match_indices([',', ';', '!', '?', '(', ')']) {
                    let beside = [text[..at].chars().next_back(), text[at + 1..].chars().next()];
                    let is_han = |it: char| ('\u{4e00}'..='\u{9fff}').contains(&it);
                    assert!(!beside.into_iter().flatten().any(is_han), "{text}");
                }
            }
        }
    }

    #[test]
    fn what_is_known_of_a_finding_stands_in_its_words() {
        let at = |_| "2025-06-01 10:00:00".to_owned();
        for (finding, parts) in [
            (
                Finding::Failures(failures(Cause::NoSuchFile, true)),
                vec![
                    "a.example",
                    "至少 2 条",
                    "未能归档",
                    "录音服务器返回状态码 404",
                    "alicom/1、alicom/2",
                    "--lost --host a.example",
                ],
            ),
            (
                Finding::Failures(refused(true, false, Cause::HostNotAllowed)),
                vec!["重定向到 b.example", "`b.example`", "`b.example:443`"],
            ),
            (
                Finding::Failures(refused(false, true, Cause::AddressNotPublic)),
                vec!["`b.example:81`", "公网"],
            ),
            (
                Finding::Failures(failures(Cause::OfS3(OfS3::Busy), false)),
                vec!["S3 拒绝请求或出错：SlowDown"],
            ),
            (Finding::Unreadable { first: "alicom/9".to_owned(), more: 4 }, vec!["alicom/9 等 5 条"]),
            (Finding::RunDied(BTreeSet::from([1, 3])), vec!["分片 1、3"]),
        ] {
            let told = format!("{} {}", what(&finding, &at), todo(&finding));
            for part in parts {
                assert!(told.contains(part), "{part}: {told}");
            }
        }
        // Nobody mends what the platform has removed: it is not to be revived.
        assert!(!todo(&Finding::Failures(failures(Cause::Removed, true))).contains("--lost"));
    }

    #[test]
    fn commands_are_set_apart_and_nothing_of_a_text_is_markup() {
        assert_eq!(marked("a `b <i>` c").into_string(), "a <code>b &lt;i&gt;</code> c");
        assert_eq!(sentence("if so"), "If so");
    }
}
