//! libFuzzer's door to the target `agent_inputs`; without libFuzzer, a program that runs it on files.

#![cfg_attr(fuzzing, no_main)]

troodon_fuzz::target!(troodon_fuzz::agent::agent_inputs);
