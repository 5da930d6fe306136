//! Why a recording could not be had, and why a push was rejected, in the words of a page: one table. The archiver and the push functions
//! write their reasons in English. What is none of them is somebody else's text, and stays as it is.

use std::borrow::Cow;

use maud::{Markup, html};

use crate::frame::{Frame, brief};

/// The longest reason that is shown, in characters.
const MAX_CHARACTERS: usize = 300;
/// What stands between the parts of a reason that has several.
const BETWEEN: &str = "; ";
/// What the archiver puts before the reasons of a recording's other URLs.
const OTHER_URL: (&str, &str) = ("another URL: ", "另一链接：");

/// Reasons as they are written, `{}` in the place of what differs, each with its Chinese. Where two fit, the first counts.
const REASONS: &[(&str, &str)] = &[
    // A recording's source: `FetchError`, `HostNotAllowed` of runtime::outbound.
    ("the host {} is not allowed", "主机 {} 不在 RecordingHosts 允许范围内"),
    ("not a URL", "链接不是有效的 URL"),
    ("the scheme {} is not fetched", "不支持的协议 {}"),
    ("the URL at {} carries credentials", "{} 的链接中带有用户名或密码"),
    ("{} has an address that is refused ({})", "主机 {} 的地址不允许访问（{}）"),
    ("redirected more than {} times, at last to {}", "重定向超过 {} 次，最后到 {}"),
    ("{} redirects to what is not a URL", "{} 重定向到无效的 URL"),
    ("{} could not be resolved", "无法解析主机 {}"),
    ("{} could not be connected to", "无法连接 {}"),
    ("TLS with {} failed", "与 {} 的 TLS 握手失败"),
    ("{} took too long (connection)", "{} 连接超时"),
    ("{} took too long (response)", "{} 响应超时"),
    ("{} took too long (end)", "{} 未能在时限内传完"),
    ("{} stopped sending", "{} 中途停止传输"),
    ("{} sent {} bytes of an unknown number", "{} 只传输了 {} 字节便中断"),
    ("{} sent {} bytes of {}", "{} 只传输了 {} 字节，应为 {} 字节"),
    ("{} sends more than {} bytes", "{} 返回的内容超过 {} 字节"),
    ("{} sends the recording compressed", "{} 返回的录音带有 Content-Encoding 压缩，无法归档"),
    ("the connection to {} failed", "与 {} 的连接中断"),
    // What came: `CopyError`, `NotAudio` of archive-recordings.
    ("the source answered with status {}", "录音服务器返回状态码 {}"),
    ("only {} bytes came: an empty recording", "仅收到 {} 字节，是空录音"),
    ("markup or JSON came in place of audio", "收到的是 HTML、XML 或 JSON，不是音频"),
    ("what came is not known as audio", "收到的内容不是可识别的音频"),
    ("{} came in place of audio", "收到的是 {}，不是音频"),
    ("cut short: its header tells of {} bytes, {} came", "录音不完整：文件头标明 {} 字节，实际收到 {} 字节"),
    ("the bucket did not {}: {}", "存储桶操作失败（{}）：{}"),
    ("there is an object already", "存储桶中已有该对象"),
    ("took so long that other URLs would not have been tried", "耗时过长，来不及尝试其他链接"),
    ("the run ended", "本次运行已结束"),
    ("there is no URL", "没有录音链接"),
    // A fresh URL: `NoFreshUrl`.
    ("the provider gives no fresh URL for it", "平台不提供新的链接"),
    ("no keys of {}'s API are configured", "未配置 {} 接口的密钥"),
    ("the keys of {}'s API could not be read", "无法读取 {} 接口的密钥"),
    ("the call was erased", "通话已被删除"),
    ("the provider has it no more: {}", "平台已不再保存该录音：{}"),
    ("the call could not be read: {}", "无法读取通话：{}"),
    ("the provider could not be asked: {}", "无法向平台查询：{}"),
    ("{} runs of the archiver died while they had it in hand", "归档程序处理该录音时异常退出 {} 次"),
    // Rejects: `Rejection` of shared::normalize, `Answer` of runtime::ingress.
    ("not an object", "不是 JSON 对象"),
    ("unreadable: {}", "无法读取：{}"),
    ("no usable call id in {}", "字段 {} 中没有可用的通话 ID"),
    ("another kind of message: {}", "其他类型的消息：{}"),
    ("the call has {} different bodies of this kind already", "该通话的此类推送已有 {} 种不同内容"),
    (
        "too many values to be read by a function: redrive it",
        "数据项过多，函数无法处理，请用 redrive 重新处理",
    ),
    ("refused by DynamoDB: {}", "被 DynamoDB 拒绝：{}"),
    ("{} elements rejected, the first of them element {}: {}", "共拒收 {} 条，首条为推送中的第 {} 条：{}"),
    ("the body is not JSON: line {}, column {}", "请求体不是 JSON：第 {} 行第 {} 列"),
    ("the body is neither an object nor an array", "请求体既不是 JSON 对象也不是数组"),
    ("the body is larger than {} bytes", "请求体超过 {} 字节"),
    ("more than {} different elements", "不同的记录超过 {} 条"),
    ("not stored in time: elements {} to {}", "未能及时保存：第 {} 至第 {} 条"),
    ("send the body without a Content-Encoding", "请求体带有 Content-Encoding，请勿压缩"),
    // What stands in the places of others. Addresses: `Refusal` of runtime::outbound::address.
    ("unspecified", "未指定地址"),
    ("loopback", "本机回环地址"),
    ("private", "内网地址"),
    ("link-local", "链路本地地址"),
    ("carrier-grade", "运营商共享地址"),
    ("multicast", "组播地址"),
    ("broadcast", "广播地址"),
    ("documentation", "文档专用地址"),
    ("translation", "隧道或转换地址"),
    ("reserved", "保留地址"),
    // What came in place of audio: `FORMATS` of archive-recordings.
    ("a PDF", "PDF 文件"),
    ("a PostScript file", "PostScript 文件"),
    ("an RTF document", "RTF 文档"),
    ("an Office document", "Office 文档"),
    ("a gzip file", "gzip 压缩文件"),
    ("a ZIP archive", "ZIP 压缩包"),
    ("a RAR archive", "RAR 压缩包"),
    ("a 7z archive", "7z 压缩包"),
    ("an xz file", "xz 压缩文件"),
    ("a bzip2 file", "bzip2 压缩文件"),
    ("a zstd file", "zstd 压缩文件"),
    ("an LZ4 file", "LZ4 压缩文件"),
    ("a tar archive", "tar 归档文件"),
    ("a PNG image", "PNG 图片"),
    ("a JPEG image", "JPEG 图片"),
    ("a GIF image", "GIF 图片"),
    ("a TIFF image", "TIFF 图片"),
    ("a WebP image", "WebP 图片"),
    ("a video", "视频文件"),
    ("a HEIC image", "HEIC 图片"),
    ("an AVIF image", "AVIF 图片"),
    ("a Photoshop image", "Photoshop 图片"),
    ("a program", "可执行程序"),
    ("a database", "数据库文件"),
    ("a Parquet file", "Parquet 文件"),
    ("a bitmap", "位图图片"),
    // What the bucket did not do.
    ("take the recording", "保存录音"),
    ("take a part", "保存分段"),
    ("begin an upload", "开始上传"),
    ("complete an upload", "完成上传"),
    ("list", "列出对象"),
    ("give the object that is there", "读取已有对象"),
];

/// A reason as a page tells it. What is in nobody's table is the platform's, and is marked so.
pub(crate) fn told(frame: &Frame<'_>, reason: &str) -> Markup {
    let w = frame.words;
    let parts: Option<Vec<_>> = reason.split(BETWEEN).map(|part| in_words(part, w.is_chinese())).collect();
    match parts {
        Some(parts) => {
            let between = if w.is_chinese() { "；" } else { BETWEEN };
            html! { (brief(&parts.join(between), MAX_CHARACTERS)) }
        }
        None => html! { code { (brief(reason, MAX_CHARACTERS)) } " " small.quiet { (w.own_words) } },
    }
}

/// A reason in Chinese, as far as it is one of ours.
pub(crate) fn in_chinese(reason: &str) -> String {
    let parts = reason.split(BETWEEN).map(|part| in_words(part, true).unwrap_or(part.into()));
    brief(&parts.collect::<Vec<_>>().join("；"), MAX_CHARACTERS)
}

/// A part of a reason, in Chinese or as it is; `None` where it is none of ours.
fn in_words(part: &str, in_chinese: bool) -> Option<Cow<'_, str>> {
    let (is_of_another, part) = match part.strip_prefix(OTHER_URL.0) {
        Some(rest) => (true, rest),
        None => (false, part),
    };
    let (chinese, holes) =
        REASONS.iter().find_map(|(english, chinese)| Some((*chinese, holes(english, part)?)))?;
    if !in_chinese {
        return Some(if is_of_another { format!("{}{part}", OTHER_URL.0).into() } else { part.into() });
    }
    let mut told = if is_of_another { OTHER_URL.1.to_owned() } else { String::new() };
    let mut holes = holes.into_iter();
    for (at, fixed) in chinese.split("{}").enumerate() {
        if at > 0 {
            // What is in a place may be a reason of ours itself.
            let hole = holes.next().unwrap_or_default();
            told.push_str(&in_words(hole, true).unwrap_or(hole.into()));
        }
        told.push_str(fixed);
    }
    Some(told.into())
}

/// What stands in a text in the places of a pattern; `None` where it is another text.
fn holes<'a>(pattern: &str, text: &'a str) -> Option<Vec<&'a str>> {
    let mut fixed = pattern.split("{}");
    let mut rest = text.strip_prefix(fixed.next()?)?;
    let mut holes = Vec::new();
    let mut fixed = fixed.peekable();
    while let Some(part) = fixed.next() {
        let is_last = fixed.peek().is_none();
        let (hole, after) = match (is_last, part.is_empty()) {
            (true, true) => (rest, ""),
            (true, false) => (rest.strip_suffix(part)?, ""),
            (false, _) => rest.split_once(part)?,
        };
        if hole.is_empty() {
            return None;
        }
        holes.push(hole);
        rest = after;
    }
    rest.is_empty().then_some(holes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared::normalize::Rejection;

    #[test]
    fn a_reason_is_told_in_chinese_with_what_differs_in_its_place() {
        for (reason, chinese) in [
            ("the source answered with status 404", "录音服务器返回状态码 404"),
            ("the host a.example is not allowed", "主机 a.example 不在 RecordingHosts 允许范围内"),
            ("a.example took too long (response)", "a.example 响应超时"),
            ("a.example took too long (end)", "a.example 未能在时限内传完"),
            ("a.example sent 10 bytes of 20", "a.example 只传输了 10 字节，应为 20 字节"),
            ("a.example sent 10 bytes of an unknown number", "a.example 只传输了 10 字节便中断"),
            ("another URL: not a URL", "另一链接：链接不是有效的 URL"),
            (
                "2 elements rejected, the first of them element 1: no usable call id in callId",
                "共拒收 2 条，首条为推送中的第 1 条：字段 callId 中没有可用的通话 ID",
            ),
            ("the provider has it no more: 已删除", "平台已不再保存该录音：已删除"),
            (
                "a.example has an address that is refused (private)",
                "主机 a.example 的地址不允许访问（内网地址）",
            ),
            ("a ZIP archive came in place of audio", "收到的是 ZIP 压缩包，不是音频"),
            ("the bucket did not take a part: SlowDown", "存储桶操作失败（保存分段）：SlowDown"),
        ] {
            assert_eq!(in_words(reason, true).as_deref(), Some(chinese), "{reason}");
            assert_eq!(in_words(reason, false).as_deref(), Some(reason), "{reason}");
        }
        for none in ["", "something new", "the source answered with status ", "not a URL at all"] {
            assert_eq!(in_words(none, true), None, "{none}");
        }
    }

    #[test]
    fn every_rejection_has_its_words() {
        let all = [
            Rejection::NotAnObject,
            Rejection::Unreadable("x".to_owned()),
            Rejection::NoCallId { field: "callId" },
            Rejection::OtherMessage { field: "type", kind: "x".to_owned() },
            Rejection::TooManyBodies,
            Rejection::TooManyValues,
            Rejection::Refused("x".to_owned()),
        ];
        for rejection in all {
            let reason = rejection.to_string();
            let told = in_words(&reason, true).unwrap_or_else(|| panic!("{reason}"));
            assert_ne!(told, reason);
        }
    }

    #[test]
    fn every_row_has_as_many_places_in_both_languages() {
        for (english, chinese) in REASONS {
            let places = |text: &str| text.matches("{}").count();
            assert_eq!(places(english), places(chinese), "{english}");
            assert!(
                chinese.chars().any(|character| ('\u{4e00}'..='\u{9fff}').contains(&character)),
                "{english}"
            );
        }
    }
}
