//! Making a password.

use zeroize::Zeroizing;

use super::PasswordPolicy;

/// A password that follows the policy: of every set as many as it asks for, the rest from all sets
/// together, in any order.
///
/// # Errors
/// The operating system gave no random bytes.
pub(crate) fn generate(policy: &PasswordPolicy) -> Result<Zeroizing<String>, getrandom::Error> {
    let mut all: Vec<char> = policy.sets.iter().flat_map(|set| &set.chars).copied().collect();
    all.sort_unstable();
    all.dedup();
    // At its full size from the start: growing would leave copies behind.
    let mut chars = Zeroizing::new(Vec::with_capacity(policy.length));
    for set in &policy.sets {
        for _ in 0..set.min {
            chars.push(set.chars[below(set.chars.len())?]);
        }
    }
    while chars.len() < policy.length {
        chars.push(all[below(all.len())?]);
    }
    for at in (1..chars.len()).rev() {
        chars.swap(at, below(at + 1)?);
    }
    let mut password = Zeroizing::new(String::with_capacity(4 * chars.len()));
    password.extend(chars.iter());
    Ok(password)
}

/// Each of the numbers below `end` with the same chance; `end` is at least 1.
fn below(end: usize) -> Result<usize, getrandom::Error> {
    let end = u64::try_from(end).unwrap_or(u64::MAX);
    // The last numbers of the range would favour the small remainders.
    let fair = u64::MAX - u64::MAX % end;
    loop {
        let drawn = getrandom::u64()?;
        if drawn < fair {
            return Ok(usize::try_from(drawn % end).unwrap_or(0));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_set_is_there_as_often_as_it_has_to_be() {
        let policy = PasswordPolicy::parse(
            "length = 12\nrule \"charset\" { charset = \"abc\" min-chars = 4 }\n\
             rule \"charset\" { charset = \"01\" min-chars = 3 }\nrule \"charset\" { charset = \"é☃\" }",
        )
        .unwrap();
        let mut seen = std::collections::HashSet::new();
        for _ in 0..200 {
            let password = generate(&policy).unwrap();
            let of = |set: &str| password.chars().filter(|c| set.contains(*c)).count();
            assert_eq!(of("abc01é☃"), 12);
            assert!(of("abc") >= 4 && of("01") >= 3, "{}", *password);
            seen.insert(password.to_string());
        }
        assert!(seen.len() > 190, "they differ");
    }

    #[test]
    fn numbers_are_below_their_end() {
        assert_eq!(below(1).unwrap(), 0);
        assert!((0..1000).all(|_| below(7).unwrap() < 7));
    }
}
