//! Tells the program which compiler built it.

use std::{env, process::Command};

fn main() {
    let rustc = env::var("RUSTC").expect("cargo names the compiler");
    let told = Command::new(rustc)
        .arg("--version")
        .output()
        .expect("rustc runs");
    let version = String::from_utf8(told.stdout).expect("rustc speaks UTF-8");
    println!("cargo:rustc-env=COMPILER={}", version.trim());
}
