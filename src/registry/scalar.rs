//! Bytes as text, and unquoted texts as what YAML takes them for.

use super::{
    Problem,
    locator::Locator,
    problem::{Fault, FileRule},
};

/// The text without its byte order mark, if it is one that YAML can have.
pub(super) fn decoded(bytes: &[u8], most: usize) -> Result<&str, Vec<Problem>> {
    let body = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes);
    if body.len() > most {
        let message = format!("the file is larger than {} MiB", most >> 20);
        return Err(vec![Locator::new("", Vec::new()).problem(0, Fault::new(FileRule::TooLarge, message))]);
    }
    let text = std::str::from_utf8(body).map_err(|error| {
        let at = error.valid_up_to();
        let shown = String::from_utf8_lossy(body);
        let fault = Fault::new(FileRule::Encoding, format!("the byte 0x{:02x} is not UTF-8", body[at]));
        vec![Locator::new(&shown, Vec::new()).problem(at, fault.fix("save the file as UTF-8"))]
    })?;
    // The parser takes NUL for the end of its input, so that what follows it
    // would go unread.
    let unwanted = |char: char| char.is_control() && !matches!(char, '\t' | '\n' | '\r' | '\u{85}');
    match text.char_indices().find(|(_, char)| unwanted(*char)) {
        None => Ok(text),
        Some((at, char)) => {
            let fault =
                Fault::new(FileRule::Encoding, format!("the control character U+{:04X}", char as u32));
            let fault = fault.fix("YAML wants it escaped, in double quotes");
            Err(vec![Locator::new(text, Vec::new()).problem(at, fault)])
        }
    }
}

/// The type that YAML's core schema gives to an unquoted text.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Type {
    /// Nothing.
    Null,
    /// A truth value.
    Bool,
    /// A number.
    Number,
    /// A text.
    Text,
}

/// Resolves an unquoted scalar (YAML 1.2, 10.3.2).
pub(super) fn resolve(plain: &str) -> Type {
    match plain {
        "" | "~" | "null" | "Null" | "NULL" => return Type::Null,
        "true" | "True" | "TRUE" | "false" | "False" | "FALSE" => return Type::Bool,
        _ => {}
    }
    let unsigned = plain.strip_prefix(['-', '+']).unwrap_or(plain);
    let radix = plain
        .strip_prefix("0x")
        .map(|digits| (digits, 16))
        .or_else(|| plain.strip_prefix("0o").map(|digits| (digits, 8)));
    let number = match radix {
        Some((digits, radix)) => !digits.is_empty() && digits.chars().all(|digit| digit.is_digit(radix)),
        None if matches!(unsigned, ".inf" | ".Inf" | ".INF") => true,
        None if matches!(plain, ".nan" | ".NaN" | ".NAN") => true,
        // Rust's floats are YAML's, but for `inf`, `nan` and `infinity`.
        None => {
            unsigned.starts_with(|char: char| char.is_ascii_digit() || char == '.')
                && unsigned.parse::<f64>().is_ok()
        }
    };
    if number { Type::Number } else { Type::Text }
}
