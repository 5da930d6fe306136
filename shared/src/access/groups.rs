//! Which groups of people have which permissions: the setting `ROLE_GROUPS`.
//!
//! `reviewers=calls.read+recordings.listen+calls.review,leads=calls.read+calls.pii`: groups by commas, a group's permissions by plus
//! signs. A group that is named twice has both. There is no word for "all": a permission that a later release adds is given to
//! nobody by that release.

use std::collections::BTreeMap;
use std::str::FromStr;

use super::permission::{PERMISSIONS, Permission, Permissions};

/// The permissions of groups. Groups that it does not name have none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RoleGroups(BTreeMap<String, Permissions>);

impl RoleGroups {
    /// What the members of these groups may.
    pub fn permissions<'a>(&self, groups: impl IntoIterator<Item = &'a str>) -> Permissions {
        let of_groups = groups.into_iter().filter_map(|group| self.0.get(group));
        of_groups.fold(Permissions::NONE, |all, of_group| all.and(*of_group))
    }

    /// The groups that are named, and what each may.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Permissions)> {
        self.0.iter().map(|(group, permissions)| (group.as_str(), *permissions))
    }
}

/// Why a text does not tell what groups may.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRoleGroups {
    /// A part is not `group=permission+permission`.
    #[error(
        "not a list of groups (reviewers=calls.read+recordings.listen,leads=calls.read+calls.pii): {0:?}"
    )]
    Form(String),
    /// There is no such permission.
    #[error("wrong: there is no permission {0:?}, only {known}", known = PERMISSIONS.iter().map(|row| row.name).collect::<Vec<_>>().join(", "))]
    Permission(String),
}

impl FromStr for RoleGroups {
    type Err = InvalidRoleGroups;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut groups = BTreeMap::<String, Permissions>::new();
        for part in text.split(',').map(str::trim) {
            let form = || InvalidRoleGroups::Form(part.to_owned());
            let (group, permissions) = part.split_once('=').ok_or_else(form)?;
            let group = group.trim();
            if group.is_empty() {
                return Err(form());
            }
            let permission = |name: &str| match Permission::named(name.trim()) {
                Some(permission) => Ok(permission),
                None => Err(InvalidRoleGroups::Permission(name.trim().to_owned())),
            };
            let permissions: Permissions =
                permissions.split('+').map(permission).collect::<Result<_, _>>()?;
            let known = groups.entry(group.to_owned()).or_default();
            *known = known.and(permissions);
        }
        Ok(Self(groups))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(names: &[&str]) -> Permissions {
        names.iter().map(|name| Permission::named(name).unwrap()).collect()
    }

    #[test]
    fn a_member_of_several_groups_has_what_each_has() {
        let groups: RoleGroups =
            "reviewers=calls.read+recordings.listen, leads = calls.read + calls.pii,leads=operations.read"
                .parse()
                .unwrap();
        assert_eq!(groups.permissions(["reviewers"]), named(&["calls.read", "recordings.listen"]));
        let both = named(&["calls.read", "recordings.listen", "calls.pii", "operations.read"]);
        assert_eq!(groups.permissions(["leads", "reviewers", "others"]), both);
        assert_eq!(groups.permissions(["others", "Leads", ""]), Permissions::NONE);
        assert_eq!(RoleGroups::default().permissions(["leads"]), Permissions::NONE);
    }

    #[test]
    fn whatever_else_is_written_is_an_error_that_shows_it() {
        for (text, shown) in [
            ("reviewers", "\"reviewers\""),
            ("=calls.read", "\"=calls.read\""),
            ("leads=calls.read,", "\"\""),
            ("leads=calls.write", "no permission \"calls.write\", only calls.read, calls.pii,"),
            ("leads=", "no permission \"\""),
            ("leads=calls.read calls.pii", "no permission \"calls.read calls.pii\""),
            ("leads=all", "no permission \"all\""),
            ("a=b=calls.read", "no permission \"b=calls.read\""),
        ] {
            let error = text.parse::<RoleGroups>().unwrap_err().to_string();
            assert!(error.contains(shown), "{text}: {error}");
        }
    }
}
