//! The example of a client in another language.

use std::process::Command;

#[test]
fn the_plain_python_client_works() {
    let dir = tempfile::tempdir().unwrap();
    let example = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/client.py");
    let output = Command::new("python3")
        .arg(example)
        .arg(env!("CARGO_BIN_EXE_litestash-engine"))
        .arg(dir.path())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let printed = String::from_utf8(output.stdout).unwrap();
    assert_eq!(
        printed.trim_end(),
        "{'age': 36, 'name': 'Ada', 'raw': b'\\xff', 'score': 0.5, 'tags': [1, None, True]}\n\
         None 3 ['user:1001', 'visits']\nTypeMismatch"
    );
}
