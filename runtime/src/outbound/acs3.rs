//! Alibaba Cloud's request signature, ACS3-HMAC-SHA256, for the one shape of request that is sent: RPC style, `POST /`,
//! parameters in the query, no body. Pure: the date and the nonce are the caller's.
//!
//! <https://help.aliyun.com/zh/sdk/product-overview/v3-request-structure-and-signature>

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use sha2::{Digest, Sha256};

const ALGORITHM: &str = "ACS3-HMAC-SHA256";

/// All but the unreserved characters of RFC 3986 is escaped.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// An access key of Alibaba Cloud.
#[derive(Clone)]
pub struct AccessKey {
    /// The key's id, which is sent.
    pub id: String,
    /// The key's secret, which never is.
    pub secret: String,
}

impl fmt::Debug for AccessKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccessKey").field("id", &self.id).finish_non_exhaustive()
    }
}

/// A call of an RPC-style API, before it is signed.
#[derive(Clone, Copy, Debug)]
pub struct RpcCall<'a> {
    /// The value of the header `host`: with the port, where it isn't the scheme's own.
    pub host: &'a str,
    /// The operation, such as `QueryConversationDetailInfo`.
    pub action: &'a str,
    /// The API's version, such as `2019-10-15`.
    pub version: &'a str,
    /// The operation's parameters, in any order, not yet escaped.
    pub parameters: &'a [(&'a str, String)],
    /// When the call is made. Alibaba refuses what is more than fifteen minutes off.
    pub date: Timestamp,
    /// A text that no other call has.
    pub nonce: &'a str,
}

/// What a signed call is sent with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedCall {
    /// The query, escaped as it was signed: it must not be encoded again.
    pub query: String,
    /// The headers, in lower case.
    pub headers: [(&'static str, String); 7],
}

impl RpcCall<'_> {
    /// Signs the call.
    pub fn sign(&self, key: &AccessKey) -> SignedCall {
        let query = self.canonical_query();
        let body_sha256 = hex_sha256(b"");
        // Sorted by name, as they are signed.
        let headers = [
            ("host", self.host.to_owned()),
            ("x-acs-action", self.action.to_owned()),
            ("x-acs-content-sha256", body_sha256.clone()),
            ("x-acs-date", self.date.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()),
            ("x-acs-signature-nonce", self.nonce.to_owned()),
            ("x-acs-version", self.version.to_owned()),
        ];
        let signed_headers = headers.each_ref().map(|(name, _)| *name).join(";");
        let canonical_headers: String =
            headers.iter().map(|(name, value)| format!("{name}:{}\n", value.trim())).collect();
        let canonical_request =
            format!("POST\n/\n{query}\n{canonical_headers}\n{signed_headers}\n{body_sha256}");
        let string_to_sign = format!("{ALGORITHM}\n{}", hex_sha256(canonical_request.as_bytes()));
        let signature = hex_hmac_sha256(key.secret.as_bytes(), string_to_sign.as_bytes());
        let authorization =
            format!("{ALGORITHM} Credential={},SignedHeaders={signed_headers},Signature={signature}", key.id);
        let [host, action, sha256, date, nonce, version] = headers;
        SignedCall {
            query,
            headers: [host, action, sha256, date, nonce, version, ("authorization", authorization)],
        }
    }

    fn canonical_query(&self) -> String {
        let mut pairs: Vec<_> = self.parameters.iter().collect();
        pairs.sort();
        let pairs = pairs.iter().map(|(name, value)| format!("{}={}", escape(name), escape(value)));
        pairs.collect::<Vec<_>>().join("&")
    }
}

fn escape(text: &str) -> impl fmt::Display {
    utf8_percent_encode(text, ESCAPED)
}

fn hex_sha256(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

fn hex_hmac_sha256(key: &[u8], bytes: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length");
    mac.update(bytes);
    hex::encode(mac.finalize().into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> AccessKey {
        AccessKey { id: "YourAccessKeyId".to_owned(), secret: "YourAccessKeySecret".to_owned() }
    }

    fn sign(host: &str, action: &str, version: &str, parameters: &[(&str, &str)]) -> SignedCall {
        let parameters: Vec<_> =
            parameters.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        let call = RpcCall {
            host,
            action,
            version,
            parameters: &parameters,
            date: "2023-10-26T10:22:32.999Z".parse().unwrap(),
            nonce: "3156853299f313e23d1673dc12e1703d",
        };
        call.sign(&key())
    }

    /// The step-by-step example of the document.
    #[test]
    fn the_official_example_gives_the_official_signature() {
        let signed = sign(
            "ecs.cn-shanghai.aliyuncs.com",
            "RunInstances",
            "2014-05-26",
            &[
                ("RegionId", "cn-shanghai"),
                ("ImageId", "win2019_1809_x64_dtc_zh-cn_40G_alibase_20230811.vhd"),
            ],
        );
        assert_eq!(
            signed.query,
            "ImageId=win2019_1809_x64_dtc_zh-cn_40G_alibase_20230811.vhd&RegionId=cn-shanghai"
        );
        let expected = [
            ("host", "ecs.cn-shanghai.aliyuncs.com"),
            ("x-acs-action", "RunInstances"),
            ("x-acs-content-sha256", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
            ("x-acs-date", "2023-10-26T10:22:32Z"),
            ("x-acs-signature-nonce", "3156853299f313e23d1673dc12e1703d"),
            ("x-acs-version", "2014-05-26"),
            (
                "authorization",
                "ACS3-HMAC-SHA256 Credential=YourAccessKeyId,SignedHeaders=host;x-acs-action;\
                 x-acs-content-sha256;x-acs-date;x-acs-signature-nonce;x-acs-version,\
                 Signature=06563a9e1b43f5dfe96b81484da74bceab24a1d853912eee15083a6f0f3283c0",
            ),
        ];
        assert_eq!(signed.headers, expected.map(|(name, value)| (name, value.to_owned())));
    }

    /// Not official: computed with a routine that was checked against the official example.
    #[test]
    fn a_call_as_it_is_sent_gives_the_derived_signature() {
        let parameters = [("TaskId", "138"), ("DetailId", "9662"), ("BatchId", "B202")];
        let signed = sign("aiccs.aliyuncs.com", "QueryConversationDetailInfo", "2019-10-15", &parameters);
        assert_eq!(signed.query, "BatchId=B202&DetailId=9662&TaskId=138");
        let (_, authorization) = &signed.headers[6];
        assert!(
            authorization
                .ends_with("Signature=2af786c8c77ab3df67d2705208cd91bb7b35751a31fc7bed1fac176643ac5474"),
            "{authorization}"
        );
    }

    #[test]
    fn what_is_not_unreserved_is_escaped_and_the_names_are_sorted() {
        let signed = sign(
            "aiccs.aliyuncs.com",
            "QueryAiCallTaskPage",
            "2019-10-15",
            &[("b", "-_.~"), ("a", " +*/=&%^:'\u{4eba}"), ("B", ""), ("aa", "1")],
        );
        assert_eq!(signed.query, "B=&a=%20%2B%2A%2F%3D%26%25%5E%3A%27%E4%BA%BA&aa=1&b=-_.~");
    }

    #[test]
    fn the_secret_is_not_shown() {
        let shown = format!("{:?}", key());
        assert!(shown.contains("YourAccessKeyId") && !shown.contains("YourAccessKeySecret"), "{shown}");
    }
}
