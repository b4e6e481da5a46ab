/// Id of the empty tree, by the length of the repository's object ids.
pub(super) fn empty_tree(hex_digits: usize) -> &'static str {
    if hex_digits == 64 {
        "6ef19b41225c5369f1c104d45d8d85efa9b057b53b14b4b9b939dd74decc5321"
    } else {
        "4b825dc642cb6eb9a060e54bf8d69288fbee4904"
    }
}

/// Whether `id` is git's way of saying "no object".
pub(super) fn is_null(id: &str) -> bool {
    id.bytes().all(|digit| digit == b'0')
}

/// `id`, or nothing for "no object".
pub(super) fn known(id: &str) -> String {
    if is_null(id) { String::new() } else { id.to_owned() }
}

/// Id of the empty tree in the repository that `id` is from.
pub fn empty_tree_like(id: &str) -> &'static str {
    empty_tree(id.len())
}
