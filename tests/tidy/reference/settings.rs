//! The settings of `bss serve`.

use browser_stream_server::{Config, config::Serve};
use clap::{Args, Command};

use super::{read, row};

/// The page.
pub fn page() -> String {
    let file = read("proxy/src/config/file.rs");
    let command = Serve::augment_args(Command::new("bss"));
    let rows = command.get_arguments().map(|setting| {
        let flag = setting.get_long().unwrap_or_default();
        let value = setting.get_value_names().unwrap_or_default().join(" ");
        let flag_and_value = match (setting.get_action().takes_values(), setting.is_require_equals_set()) {
            (true, true) => format!("`--{flag}[={value}]`"),
            (true, false) => format!("`--{flag} {value}`"),
            (false, _) => format!("`--{flag}`"),
        };
        let environment = setting.get_env().map(|name| format!("`{}`", name.to_string_lossy())).unwrap_or_default();
        let key = flag.replace('-', "_");
        let key = if file.contains(&format!("\n    {key}: Option<")) { format!("`{key}`") } else { String::new() };
        row([&flag_and_value, &environment, &key, &setting.get_help().map(ToString::to_string).unwrap_or_default()])
    });
    let defaults = Config::default().to_toml();
    let defaults = defaults.split("\n[limits]").next().unwrap_or_default().trim_end();
    format!(
        "\
# Settings of `bss serve`

Made from the code (`make reference`). A flag beats the environment, that the file of `--config`, that the default. Several values stand behind each other with commas in
the environment, and as a list in the file.

| flag | environment | key of the file | |
|---|---|---|---|
{}
A file that says what holds without it:

```toml defaults.toml
{defaults}
```

```sh
bss serve --config defaults.toml --check
```

```text prints
the settings can be used
```

Behind these keys `[limits]` may follow: [limits](limits.md). `RUST_LOG` says what is logged, `TOKIO_WORKER_THREADS` how many threads there are. What `bss` takes as a peer is in `bss connect --help` and so on;
`bss man COMMAND` prints it as a page of the manual, `bss completions SHELL` has your shell complete it.
",
        rows.collect::<String>(),
    )
}
