//! Where the components of an application are mounted, as Spin's manifests say it.

use std::fmt;

/// A path, or with `/...` at its end all paths below one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Route {
    /// Without a slash at the end.
    path: String,
    is_wildcard: bool,
}

impl Route {
    /// All paths.
    pub(crate) fn all() -> Route {
        Route { path: String::new(), is_wildcard: true }
    }

    /// Reads a route like `/...`, `/credit/...` or `/decisions`.
    ///
    /// # Errors
    /// If it is none; routes with parameters (`/:name`) are not supported.
    pub(crate) fn parse(route: &str) -> Result<Route, String> {
        let (path, is_wildcard) = match route.strip_suffix("/...") {
            Some(path) => (path, true),
            None => (route.trim_end_matches('/'), false),
        };
        let segments = || path.split('/').skip(1);
        let legal = (path.starts_with('/') || path.is_empty() && route.starts_with('/'))
            && segments().all(|segment| !segment.starts_with(':') && !segment.contains("..."));
        if legal {
            Ok(Route { path: path.to_owned(), is_wildcard })
        } else {
            Err(format!(
                "the route {route:?} is not supported; expected a path like /decisions, or one \
                 with a wildcard at its end like /credit/..."
            ))
        }
    }

    /// What a component finds in place of a path and query, if the route leads to it: behind a
    /// wildcard the rest of the path, else all of it.
    pub(crate) fn target<'a>(&self, path_and_query: &'a str) -> Option<&'a str> {
        let path = path_and_query.split('?').next().unwrap_or_default();
        if !self.is_wildcard {
            return (path.trim_end_matches('/') == self.path).then_some(path_and_query);
        }
        let rest = path_and_query.strip_prefix(&self.path)?;
        rest.starts_with('/').then_some(rest)
    }

    /// Where the path of a wildcard leads if only its slash at the end is missing: with it, links
    /// that are relative lead below.
    pub(crate) fn with_slash(&self, path_and_query: &str) -> Option<String> {
        let rest = path_and_query.strip_prefix(&self.path)?;
        let is_root = rest.is_empty() || rest.starts_with('?');
        (self.is_wildcard && !self.path.is_empty() && is_root)
            .then(|| format!("{}/{rest}", self.path))
    }

    /// The path by which clients know one of the component's, if the route leads to it.
    pub(crate) fn outer(&self, path: &str) -> Option<String> {
        if self.is_wildcard {
            return Some(format!("{}{path}", self.path));
        }
        (path == self.path).then(|| path.to_owned())
    }

    /// The more of a path a route names, the sooner it is asked; a path goes before a wildcard.
    pub(crate) fn rank(&self) -> (usize, bool) {
        (self.path.len(), !self.is_wildcard)
    }
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.is_wildcard, &*self.path) {
            (true, path) => write!(f, "{path}/..."),
            (false, "") => f.write_str("/"),
            (false, path) => f.write_str(path),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(route: &str, cases: &[(&str, Option<&str>)]) {
        let parsed = Route::parse(route).unwrap();
        assert_eq!(parsed.to_string(), route);
        for (path, target) in cases {
            assert_eq!(parsed.target(path), *target, "{route}: {path}");
        }
    }

    #[test]
    fn behind_a_wildcard_the_rest_of_the_path_counts() {
        check("/...", &[("/", Some("/")), ("/a/b?c", Some("/a/b?c")), ("/?/", Some("/?/"))]);
        check(
            "/credit/...",
            &[
                ("/credit/decisions?x=/1", Some("/decisions?x=/1")),
                ("/credit/", Some("/")),
                ("/credit", None),
                ("/credits/decisions", None),
                ("/", None),
            ],
        );
    }

    #[test]
    fn a_slash_that_is_missing_is_added_behind_a_wildcards_path_only() {
        for (route, path, expected) in [
            ("/credit/...", "/credit", Some("/credit/")),
            ("/credit/...", "/credit?a=/b", Some("/credit/?a=/b")),
            ("/credit/...", "/credit/", None),
            ("/credit/...", "/credits", None),
            ("/credit", "/credit", None),
            ("/...", "", None),
            ("/...", "//example.com", None),
        ] {
            let found = Route::parse(route).unwrap().with_slash(path);
            assert_eq!(found.as_deref(), expected, "{route}: {path}");
        }
    }

    #[test]
    fn a_path_without_a_wildcard_leads_to_itself() {
        check(
            "/decisions",
            &[("/decisions?x", Some("/decisions?x")), ("/decisions/x", None), ("/", None)],
        );
        let outer = |route: &str| Route::parse(route).unwrap().outer("/decisions");
        assert_eq!(outer("/decisions").as_deref(), Some("/decisions"));
        assert_eq!(outer("/a/...").as_deref(), Some("/a/decisions"));
        assert_eq!(outer("/probabilities"), None);
        check("/", &[("/", Some("/")), ("/x", None)]);
    }

    #[test]
    fn what_is_no_such_route_is_refused() {
        for route in ["", "decisions", "...", "/:name", "/a/:b/c", "/.../a", "/a..."] {
            let message = Route::parse(route).unwrap_err();
            assert!(message.contains(&format!("{route:?}")), "{message}");
        }
    }

    #[test]
    fn the_longest_route_goes_first_and_a_path_before_a_wildcard() {
        let mut routes = ["/...", "/a/...", "/a", "/a/b"].map(|route| Route::parse(route).unwrap());
        routes.sort_by_key(|route| std::cmp::Reverse(route.rank()));
        let sorted = routes.map(|route| route.to_string());
        assert_eq!(sorted, ["/a/b", "/a", "/a/...", "/..."]);
    }
}
