//! Who made a program, where the two makes are called differently.

/// The make of a server.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Make {
    /// Ours: the command line works on the store of the running server.
    Troodon,
    /// A real Velociraptor: queries go to the running server through its API.
    Velociraptor,
}
