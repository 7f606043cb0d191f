//! libFuzzer's door to the target `program`; without libFuzzer, a program that runs it on files.

#![cfg_attr(fuzzing, no_main)]

troodon_fuzz::target!(troodon_fuzz::formats::program);
