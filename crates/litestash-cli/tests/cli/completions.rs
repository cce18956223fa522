//! Completions for shells.

use crate::support::{finish, litestash};

#[test]
fn every_shell_has_its_completions() {
    for (shell, part) in
        [("bash", "_litestash()"), ("zsh", "#compdef litestash"), ("fish", "complete -c litestash")]
    {
        let mut command = litestash();
        command.args(["completions", shell]);
        let (script, err) = finish(command, 0);
        assert!(script.contains(part) && script.contains("if-absent"), "{shell}");
        assert_eq!(err, "");
    }
    let mut command = litestash();
    command.args(["completions", "dosbox"]);
    finish(command, 2);
}
