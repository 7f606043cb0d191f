//! `parse_binary()`: structures of a binary file, described by a profile.

mod decode;
mod profile;

use super::file::ACCESSOR;
use super::stream::path;
use crate::args::Args;
use crate::budget::Fault;
use crate::context::Context;
use crate::engine::{Binding, Scope};
use crate::registry::{Arg, Function, Kind};
use crate::value::Value;

use decode::Decoder;
use profile::Profile;

/// The functions of this file.
pub(super) static FUNCTIONS: &[&Function] = &[&Function::new(
    "parse_binary",
    "A structure of a binary file as a dict. The profile is a JSON list of [name, size, fields]; a field is \
     [name, offset, type, options]. Sizes, offsets and most options may be lambdas of the structure, which also has \
     SizeOf, StartOf, EndOf and ParentOf there. Bytes behind the end of the file read as zeros.",
    &[
        Arg::required("filename", Kind::Any, "The file."),
        ACCESSOR,
        Arg::optional("profile", Kind::String, "The profile."),
        Arg::required(
            "struct",
            Kind::String,
            "Which structure of the profile, or a number's type.",
        ),
        Arg::optional("offset", Kind::Int, "Where it begins (0)."),
        Arg::optional("env", Kind::Dict, "Variables for the lambdas."),
    ],
    parse_binary,
)];

fn parse_binary(cx: &mut Context, scope: &Scope, args: &Args) -> Result<Value, Fault> {
    let profile = Profile::parse(args.text("profile").map_or(b"[]", |text| text))?;
    let name = args.text("struct").cloned().unwrap_or_default();
    let top = profile.named(&name)?;
    let accessor = cx.accessor(&args.string("accessor").unwrap_or_default())?;
    let reader = accessor.open(cx, &args.value("filename").map(path).unwrap_or_default())?;
    let env = args.dict("env").map(|env| {
        env.iter().map(|(name, value)| (name.clone(), Binding::Value(value.clone()))).collect()
    });
    let scope = env.map_or_else(|| scope.clone(), |env| scope.with_bindings(env));
    let mut decoder = Decoder::new(&profile, reader, scope);
    decoder.top(cx, &top, args.int("offset").unwrap_or(0))
}
