//! What makes another program of a name, or of a value a program.

use super::expansion::Argument;
use super::reader::{Read, undecidable};

/// Refuses values that a shell runs.
pub(super) fn check_assign(name: &str, value: Option<&Argument>) -> Read<()> {
    let runs = ["PS0", "PS1", "PS2", "PS4", "PROMPT_COMMAND"].contains(&name.trim_end_matches('+'));
    let plain = value.is_some_and(|value| !value.dynamic && !value.text.contains(['$', '`', '\\']));
    let redefines =
        ["BASH_CMDS", "BASH_ALIASES", "functions", "aliases", "galiases", "saliases", "commands"];
    if name.starts_with("BASH_FUNC_")
        || (redefines.contains(&name) && value.is_none())
        || (runs && (!plain || name.starts_with("PROMPT")))
    {
        return Err(undecidable("a variable whose value a shell runs"));
    }
    Ok(())
}

/// Refuses what makes another program of a name.
pub(super) fn refuse_redefinition(name: &str, arguments: &[Argument]) -> Read<()> {
    let refused = match name {
        "alias" => arguments.iter().any(|a| a.dynamic || a.text.contains('=')),
        "hash" => arguments.iter().any(|a| a.dynamic || a.text.starts_with("-p")),
        // These run commands of their arguments.
        "compgen" | "-" => true,
        "jobs" => arguments.iter().any(|a| a.dynamic || a.text.starts_with("-x")),
        "mapfile" | "readarray" => arguments.iter().any(|a| a.dynamic || a.text.contains('C')),
        "enable" => arguments.iter().any(|a| a.dynamic || a.text.starts_with("-f")),
        _ => false,
    };
    if refused {
        return Err(undecidable("a name that is made to stand for another program"));
    }
    Ok(())
}
