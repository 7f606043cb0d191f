#![cfg_attr(fuzzing, no_main)]

troodon_fuzz::target!(troodon_fuzz::comms::state_blob);
