//! A strict reader of OpenMetrics text, as far as Foretold writes it.

use std::collections::{BTreeMap, BTreeSet};

/// What one scrape says.
#[derive(Debug)]
pub(crate) struct Scrape {
    samples: BTreeMap<(String, Labels), f64>,
}

type Labels = BTreeMap<String, String>;

impl Scrape {
    /// # Panics
    /// If the text breaks a rule of OpenMetrics 1.0.
    pub(crate) fn parse(text: &str) -> Scrape {
        let text = text.strip_suffix("# EOF\n").expect("an end");
        let (mut families, mut samples) = (BTreeMap::new(), BTreeMap::new());
        let mut current = String::new();
        for line in text.lines() {
            if let Some(comment) = line.strip_prefix("# ") {
                let mut words = comment.splitn(3, ' ');
                let (kind, name, rest) =
                    (words.next().unwrap(), words.next().unwrap(), words.next().unwrap());
                match kind {
                    "HELP" => {
                        assert!(!families.contains_key(name), "{name} is there twice");
                        assert!(!rest.is_empty(), "{line}");
                        current = name.to_owned();
                    }
                    "TYPE" => {
                        families.insert(name.to_owned(), rest.to_owned());
                    }
                    "UNIT" => assert!(name.ends_with(&format!("_{rest}")), "{line}"),
                    _ => panic!("{line}"),
                }
                assert_eq!(name, current, "{line}");
                continue;
            }
            let (series, value) = line.rsplit_once(' ').unwrap();
            let (name, labels) = series.split_once('{').expect("every series here has labels");
            let suffixes: &[&str] = match families[&current].as_str() {
                "counter" => &["_total"],
                "gauge" => &[""],
                "histogram" => &["_sum", "_count", "_bucket"],
                "info" => &["_info"],
                other => panic!("{other}"),
            };
            let suffix = name.strip_prefix(&current).unwrap_or_else(|| panic!("{line}"));
            assert!(suffixes.contains(&suffix), "{line}");
            let value: f64 = value.parse().unwrap();
            assert!(value.is_finite() && value >= 0.0, "{line}");
            let labels = labels_of(labels.strip_suffix('}').unwrap());
            let twice = samples.insert((name.to_owned(), labels), value);
            assert!(twice.is_none(), "{line} is there twice");
        }
        let scrape = Scrape { samples };
        for (name, _) in families.iter().filter(|(_, kind)| *kind == "histogram") {
            scrape.check_histogram(name);
        }
        scrape
    }

    /// The sum of the series of this name that have these labels.
    ///
    /// # Panics
    /// If there is none.
    pub(crate) fn value(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let values: Vec<f64> = self.series(name, labels).map(|(_, value)| value).collect();
        assert!(!values.is_empty(), "{name} {labels:?} in {:#?}", self.samples);
        values.iter().sum()
    }

    /// The names as documents have them: a histogram has one.
    pub(crate) fn names(&self) -> BTreeSet<&str> {
        let parts = ["_sum", "_count", "_bucket"];
        let whole =
            |name| parts.iter().find_map(|part| str::strip_suffix(name, part)).unwrap_or(name);
        self.samples.keys().map(|(name, _)| whole(name.as_str())).collect()
    }

    /// All values of a label.
    pub(crate) fn label_values(&self, label: &str) -> BTreeSet<&str> {
        self.samples.keys().filter_map(|(_, labels)| labels.get(label)).map(|s| &**s).collect()
    }

    fn series(&self, name: &str, labels: &[(&str, &str)]) -> impl Iterator<Item = (&Labels, f64)> {
        self.samples.iter().filter_map(move |((found, of), value)| {
            let has = |(label, value): &(&str, &str)| of.get(*label).is_some_and(|v| v == value);
            (found == name && labels.iter().all(has)).then_some((of, *value))
        })
    }

    /// The buckets of each series add up, and the last has no bound.
    fn check_histogram(&self, name: &str) {
        let mut buckets: BTreeMap<Labels, Vec<(f64, f64)>> = BTreeMap::new();
        for (labels, value) in self.series(&format!("{name}_bucket"), &[]) {
            let mut labels = labels.clone();
            let bound: f64 = labels.remove("le").unwrap().parse().unwrap();
            buckets.entry(labels).or_default().push((bound, value));
        }
        assert!(!buckets.is_empty(), "{name}");
        for (labels, mut buckets) in buckets {
            buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
            assert!(buckets.is_sorted_by(|a, b| a.0 < b.0 && a.1 <= b.1), "{name} {labels:?}");
            let (bound, all) = *buckets.last().unwrap();
            assert_eq!(bound, f64::INFINITY);
            let labels: Vec<(&str, &str)> =
                labels.iter().map(|(name, value)| (&**name, &**value)).collect();
            assert_eq!(all, self.value(&format!("{name}_count"), &labels), "{name}");
        }
    }
}

fn labels_of(text: &str) -> Labels {
    let pairs = text.split("\",").map(|pair| {
        let (name, value) = pair.split_once("=\"").unwrap();
        (name.to_owned(), value.trim_end_matches('"').to_owned())
    });
    let labels: Vec<(String, String)> = pairs.collect();
    let map: Labels = labels.iter().cloned().collect();
    assert_eq!(map.len(), labels.len(), "{text}");
    map
}
