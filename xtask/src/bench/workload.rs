//! The queries that are measured. Each ends with one row that depends on all of its work.

use super::data::Data;

/// A query and its name in the table.
pub(super) struct Workload {
    pub(super) name: &'static str,
    /// `{csv}`, `{jsonl}`, `{tree}` and `{blob}` stand for the paths of the data.
    text: &'static str,
}

impl Workload {
    /// The query over these data.
    pub(super) fn text(&self, data: &Data) -> String {
        let mut text = self.text.to_owned();
        for (name, path) in data.paths() {
            text = text.replace(&format!("{{{name}}}"), &path.display().to_string());
        }
        text
    }
}

/// All of them, in the order of the table.
pub(super) static ALL: [Workload; 10] = [
    Workload { name: "start, one row", text: "SELECT 1 AS N FROM scope()" },
    Workload {
        name: "where: regex and arithmetic, 1,000,000 rows",
        text: "SELECT count() AS Rows, sum(item=Y) AS Sum FROM foreach(row={ \
               SELECT _value AS X, _value * 7 + 3 AS Y, format(format='/usr/bin/file-%d', args=_value) AS P \
               FROM range(end=1000000) WHERE P =~ 'file-[0-9]*[37]$' AND Y - 3 > X + 100 }) GROUP BY 1",
    },
    Workload {
        name: "group by: 100,000 groups of 5 rows",
        text: "SELECT count() AS Groups, sum(item=N) AS Rows, sum(item=S) AS Sum FROM foreach(row={ \
               SELECT K, count() AS N, sum(item=V) AS S FROM foreach( \
               row={ SELECT _value AS V FROM range(end=5) }, \
               query={ SELECT _value AS K, V FROM range(end=100000) }) GROUP BY K }) GROUP BY 1",
    },
    Workload {
        name: "foreach: 100,000 rows, a query of 3 rows for each",
        text: "SELECT count() AS Rows, sum(item=Z) AS Sum FROM foreach( \
               row={ SELECT _value AS A FROM range(end=100000) }, \
               query={ SELECT A, _value AS B, A * _value AS Z FROM range(end=3) WHERE A + _value > 10 }) \
               GROUP BY 1",
    },
    Workload {
        name: "parse_csv: 100 MB",
        text: "SELECT count() AS Rows, sum(item=Size) AS Sum FROM parse_csv(filename='{csv}') GROUP BY 1",
    },
    Workload {
        name: "parse_jsonl: 100 MB",
        text: "SELECT count() AS Rows, sum(item=Size) AS Sum FROM parse_jsonl(filename='{jsonl}') GROUP BY 1",
    },
    Workload {
        name: "parse_json: 100 MB, line by line",
        text: "SELECT count() AS Rows, sum(item=R.Size) AS Sum FROM foreach(row={ \
               SELECT parse_json(data=Line) AS R FROM parse_lines(filename='{jsonl}') }) GROUP BY 1",
    },
    Workload {
        name: "glob: 200,000 files",
        text: "SELECT count() AS Files FROM glob(globs='{tree}/**') GROUP BY 1",
    },
    Workload {
        name: "glob: 50,000 of 200,000 files, with sizes",
        text: "SELECT count() AS Files, sum(item=Size) AS Bytes FROM glob(globs='{tree}/*/*.log') \
               WHERE NOT IsDir GROUP BY 1",
    },
    Workload {
        name: "hash: MD5, SHA1 and SHA256 of 1 GiB",
        // The other engine stops at 100 MiB unless it is told otherwise.
        text: "SELECT hash(path='{blob}', max_size=2000000000) AS Hash FROM scope()",
    },
];
