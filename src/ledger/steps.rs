//! Whether verdicts lead from one tree to another, step by step.

use std::collections::BTreeSet;

/// Most steps that are followed back.
const FARTHEST: usize = 16;
/// Most trees that are looked at.
const MOST: usize = 64;

/// Whether a way leads back from `tree` to `base`; `before` tells from which
/// trees the last step to a tree may have come. An error of its own ends it.
pub(super) fn lead<E>(
    base: &str,
    tree: &str,
    before: impl Fn(&str) -> Result<BTreeSet<String>, E>,
) -> Result<bool, E> {
    let mut seen = BTreeSet::from([tree.to_owned()]);
    let mut reached = vec![tree.to_owned()];
    for _ in 0..FARTHEST {
        let mut farther = Vec::new();
        for tree in &reached {
            for earlier in before(tree)? {
                if earlier == base {
                    return Ok(true);
                }
                if seen.len() < MOST && seen.insert(earlier.clone()) {
                    farther.push(earlier);
                }
            }
        }
        reached = farther;
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    /// Verdicts, as base and tree.
    fn leads(verdicts: &[(&str, &str)], base: &str, tree: &str) -> bool {
        let before = |tree: &str| {
            let to = verdicts.iter().filter(|(_, to)| *to == tree);
            Ok::<_, Infallible>(to.map(|(from, _)| (*from).to_owned()).collect())
        };
        lead(base, tree, before).unwrap()
    }

    #[test]
    fn ways_are_followed_and_circles_left() {
        let verdicts = [("a", "b"), ("b", "c"), ("c", "b"), ("c", "c"), ("x", "c"), ("c", "d")];
        for (base, tree, wanted) in [
            ("a", "b", true),
            ("a", "d", true),
            ("x", "d", true),
            ("d", "a", false),
            ("a", "x", false),
            ("a", "a", false),
            ("c", "c", true),
        ] {
            assert_eq!(leads(&verdicts, base, tree), wanted, "{base} {tree}");
        }
    }

    #[test]
    fn a_long_way_is_not_followed_to_its_end() {
        let names: Vec<String> = (0..100).map(|at| at.to_string()).collect();
        let verdicts: Vec<(&str, &str)> =
            names.windows(2).map(|pair| (pair[0].as_str(), pair[1].as_str())).collect();
        assert!(leads(&verdicts, "84", "99"));
        assert!(!leads(&verdicts, "0", "99"));
    }
}
