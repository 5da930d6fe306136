//! The permissions, one row each, and sets of them.

use std::fmt;

/// Something that a reader may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Permission {
    /// To see calls, without numbers.
    ReadCalls,
    /// To see numbers, and whatever else tells who was called.
    SeeNumbers,
    /// To get recordings.
    ListenToRecordings,
    /// To say what one makes of a call.
    ReviewCalls,
    /// To see how callvault itself fares.
    ReadOperations,
}

/// What is to be known of a permission.
#[derive(Debug)]
pub struct PermissionRow {
    /// The permission.
    pub permission: Permission,
    /// Its name: in tokens' scopes, in settings, in documents.
    pub name: &'static str,
    /// What it lets, in words for people.
    pub lets: &'static str,
}

/// Every permission, in the order in which they are told.
pub const PERMISSIONS: [PermissionRow; 5] = [
    PermissionRow {
        permission: Permission::ReadCalls,
        name: "calls.read",
        lets: "see calls, transcripts, tasks and counts, without numbers",
    },
    PermissionRow {
        permission: Permission::SeeNumbers,
        name: "calls.pii",
        lets: "see full numbers, unknown fields, verbatim pushes and the URLs of recordings at the platform, and search by number",
    },
    PermissionRow {
        permission: Permission::ListenToRecordings,
        name: "recordings.listen",
        lets: "get a recording",
    },
    PermissionRow {
        permission: Permission::ReviewCalls,
        name: "calls.review",
        lets: "mark a call as heard, and give a verdict, a note and a task's name",
    },
    PermissionRow {
        permission: Permission::ReadOperations,
        name: "operations.read",
        lets: "see rejects, what is due, the functions' state and the access log",
    },
];

impl Permission {
    /// The permission's row.
    pub fn row(self) -> &'static PermissionRow {
        &PERMISSIONS[self as usize]
    }

    /// The name in scopes and settings.
    pub fn as_str(self) -> &'static str {
        self.row().name
    }

    /// The permission that has this name.
    pub fn named(name: &str) -> Option<Self> {
        PERMISSIONS.iter().find(|row| row.name == name).map(|row| row.permission)
    }

    fn bit(self) -> u8 {
        1 << self as u8
    }
}

impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A set of permissions.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Permissions(u8);

impl Permissions {
    /// No permission.
    pub const NONE: Self = Self(0);

    /// Every permission.
    pub fn all() -> Self {
        PERMISSIONS.iter().map(|row| row.permission).collect()
    }

    /// Whether the permission is among them.
    pub fn contains(self, permission: Permission) -> bool {
        self.0 & permission.bit() != 0
    }

    /// Whether there is none.
    pub fn is_empty(self) -> bool {
        self == Self::NONE
    }

    /// Those that are in both sets.
    #[must_use]
    pub fn cut_to(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Those that are in either set.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The permissions, in the order in which they are told.
    pub fn iter(self) -> impl Iterator<Item = Permission> {
        PERMISSIONS.iter().map(|row| row.permission).filter(move |permission| self.contains(*permission))
    }
}

impl FromIterator<Permission> for Permissions {
    fn from_iter<T: IntoIterator<Item = Permission>>(permissions: T) -> Self {
        Self(permissions.into_iter().fold(0, |bits, permission| bits | permission.bit()))
    }
}

/// As a token's scope has them: names with a space between.
impl fmt::Display for Permissions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, permission) in self.iter().enumerate() {
            let space = if at == 0 { "" } else { " " };
            write!(f, "{space}{permission}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Permissions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Permissions({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_permission_has_its_row_and_a_name_of_its_own() {
        for row in &PERMISSIONS {
            assert_eq!(row.permission.row().name, row.name);
            assert_eq!(Permission::named(row.name), Some(row.permission));
            assert!(row.name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'.'), "{}", row.name);
        }
        assert_eq!(Permissions::all().iter().count(), PERMISSIONS.len());
        assert_eq!(Permission::named("Calls.Read"), None);
    }

    #[test]
    fn sets_are_sets() {
        let some: Permissions =
            [Permission::ReadOperations, Permission::ReadCalls, Permission::ReadCalls].into_iter().collect();
        assert_eq!(some.to_string(), "calls.read operations.read");
        assert!(some.contains(Permission::ReadCalls) && !some.contains(Permission::SeeNumbers));
        assert_eq!(some.cut_to(Permissions::all()), some);
        assert!(some.cut_to(Permissions::NONE).is_empty());
        assert_eq!(some.and(Permissions::all()), Permissions::all());
        assert_eq!(Permissions::NONE.to_string(), "");
    }
}
