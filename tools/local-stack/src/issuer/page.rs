//! The issuer's pages, in plain HTML: whoever signs in chooses who they are.

use shared::access::permission::{PERMISSIONS, Permission, Permissions};

use super::CONSOLE;
use super::grants::{AuthorizationRequest, Form, GrantError};

/// Somebody to be, with a set of permissions.
struct Persona {
    name: &'static str,
    permissions: &'static [Permission],
    /// Who that is, for people.
    who: &'static str,
}

const PERSONAS: [Persona; 6] = [
    Persona {
        name: "everything",
        permissions: &[
            Permission::ReadCalls,
            Permission::SeeNumbers,
            Permission::ListenToRecordings,
            Permission::ReviewCalls,
            Permission::ReadOperations,
        ],
        who: "every permission that there is",
    },
    Persona {
        name: "lead",
        permissions: &[
            Permission::ReadCalls,
            Permission::SeeNumbers,
            Permission::ListenToRecordings,
            Permission::ReviewCalls,
        ],
        who: "hears calls, and sees numbers",
    },
    Persona {
        name: "reviewer",
        permissions: &[Permission::ReadCalls, Permission::ListenToRecordings, Permission::ReviewCalls],
        who: "hears calls, without numbers",
    },
    Persona { name: "reader", permissions: &[Permission::ReadCalls], who: "reads calls, without numbers" },
    Persona {
        name: "operator",
        permissions: &[Permission::ReadOperations],
        who: "sees how callvault fares, and no call",
    },
    Persona { name: "nobody", permissions: &[], who: "is signed in, and may nothing" },
];

/// Whoever chooses permissions one by one.
const CHOSEN: &str = "somebody";

/// Who somebody has chosen to be.
pub(super) fn chosen(form: &Form) -> (String, Permissions) {
    let name = form.all("persona").next().unwrap_or(CHOSEN);
    match PERSONAS.iter().find(|persona| persona.name == name) {
        Some(persona) => (persona.name.to_owned(), persona.permissions.iter().copied().collect()),
        None => (CHOSEN.to_owned(), form.all("permission").filter_map(Permission::named).collect()),
    }
}

/// A text in HTML, in an attribute too.
fn escaped(text: &str) -> String {
    let mut html = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            '\'' => html.push_str("&#39;"),
            other => html.push(other),
        }
    }
    html
}

fn page(title: &str, body: &str) -> String {
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{title}</title>\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <style>body{{font:16px/1.5 system-ui,sans-serif;max-width:40rem;margin:2rem auto;padding:0 1rem}}\
         button{{font:inherit;padding:.4rem 1rem;min-width:9rem}}p{{margin:.6rem 0}}label{{display:block}}</style>\
         </head><body><h1>{title}</h1>{body}</body></html>\n"
    )
}

/// The page on which somebody chooses.
pub(super) fn sign_in(request: &AuthorizationRequest) -> String {
    let hidden = |name: &str, value: &str| {
        format!("<input type=\"hidden\" name=\"{name}\" value=\"{}\">", escaped(value))
    };
    let mut fields = String::new();
    for (name, value) in [
        ("client_id", Some(CONSOLE)),
        ("response_type", Some("code")),
        ("redirect_uri", Some(request.redirect_text.as_str())),
        ("scope", Some(request.scope.as_str())),
        ("state", request.state.as_deref()),
        ("nonce", request.nonce.as_deref()),
        ("code_challenge_method", Some("S256")),
        ("code_challenge", Some(request.challenge.as_str())),
    ] {
        fields.extend(value.map(|value| hidden(name, value)));
    }
    let mut body = format!(
        "<p>This is the local stack's own sign-in. Nobody is asked for a password: choose whom to be.</p>\
         <form method=\"post\" action=\"/authorize\">{fields}"
    );
    for Persona { name, permissions, who } in &PERSONAS {
        let permissions: Permissions = permissions.iter().copied().collect();
        let permissions =
            if permissions.is_empty() { "no permission".to_owned() } else { permissions.to_string() };
        body.push_str(&format!(
            "<p><button name=\"persona\" value=\"{name}\">{name}</button> {who}<br><small>{permissions}</small></p>"
        ));
    }
    body.push_str(&format!(
        "</form><h2>Or one by one</h2><form method=\"post\" action=\"/authorize\">{fields}"
    ));
    for row in &PERMISSIONS {
        body.push_str(&format!(
            "<label><input type=\"checkbox\" name=\"permission\" value=\"{0}\"> {0}: {1}</label>",
            row.name,
            escaped(row.lets)
        ));
    }
    body.push_str("<p><button>Sign in</button></p></form>");
    page("Sign in to callvault", &body)
}

/// The page for whoever came with a request that nobody can be sent back for.
pub(super) fn refused(error: &GrantError) -> String {
    page("Nobody can sign in by this", &format!("<p>{}: {}.</p>", error.code, escaped(error.description)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_with_the_request_is_text_on_the_page() {
        let hostile = "\"><script>alert('1')</script>&";
        let query = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("client_id", CONSOLE)
            .append_pair("response_type", "code")
            .append_pair("redirect_uri", "http://127.0.0.1/\"><b>'")
            .append_pair("scope", hostile)
            .append_pair("state", hostile)
            .append_pair("nonce", hostile)
            .append_pair("code_challenge_method", "S256")
            .append_pair("code_challenge", hostile)
            .finish();
        let page = sign_in(&AuthorizationRequest::of(&Form::read(query.as_bytes())).unwrap());
        assert!(!page.contains("<script") && !page.contains("<b>") && !page.contains("alert('"), "{page}");
        let text = "&quot;&gt;&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt;&amp;";
        assert_eq!(page.matches(text).count(), 8, "four fields in either form");
    }

    #[test]
    fn every_set_of_permissions_can_be_had() {
        let everything = PERSONAS[0].permissions.iter().copied().collect::<Permissions>();
        assert_eq!(everything, Permissions::all());
        for persona in &PERSONAS {
            let form = Form::read(format!("persona={}&permission=calls.pii", persona.name).as_bytes());
            assert_eq!(
                chosen(&form),
                (persona.name.to_owned(), persona.permissions.iter().copied().collect())
            );
        }
        let form = Form::read(b"permission=calls.read&permission=operations.read&permission=x");
        let (name, permissions) = chosen(&form);
        assert_eq!(
            (name.as_str(), permissions.to_string().as_str()),
            ("somebody", "calls.read operations.read")
        );
        assert_eq!(chosen(&Form::read(b"persona=root")).1, Permissions::NONE);
    }
}
