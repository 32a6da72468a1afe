//! The binary that runs, as a person would call it.

/// How this binary is called from here: its path, short if it is below the working folder.
pub fn here() -> String {
    let binary = std::env::current_exe().unwrap_or_else(|_| "strongroom".into());
    let folder = std::env::current_dir().unwrap_or_default();
    match binary.strip_prefix(&folder) {
        Ok(below) if below.components().count() > 1 => below.display().to_string(),
        _ => binary.display().to_string(),
    }
}
