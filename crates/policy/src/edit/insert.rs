//! Where new items go, and how they are spaced: as their neighbours are.

use std::ops::Range;

use jsonc_parser::ast::Object;
use jsonc_parser::common::Ranged as _;

use super::container::{
    Container, Trivia, end_of_line_comments, has_line_break, indent_of_line, line_start,
    own_line_indent, trivia,
};
use super::json::Json;
use super::layout::{LINE_BYTES_MAX, Layout};
use super::page::{Page, member};
use super::splice::Splice;

/// Something to be put into a container.
#[derive(Debug, Clone)]
pub(super) enum New {
    Member(String, Json),
    Element(Json),
}

impl New {
    fn value(&self) -> &Json {
        match self {
            Self::Member(_, value) | Self::Element(value) => value,
        }
    }

    /// As it stands on a line that begins with `indent`.
    fn print(&self, layout: &Layout, indent: &str) -> String {
        match self {
            Self::Member(key, value) => layout.member(key, value, indent),
            Self::Element(value) => layout.print(value, indent, indent.len()),
        }
    }

    /// As it stands between its neighbours on one line.
    fn line(&self, layout: &Layout) -> String {
        match self {
            Self::Element(value) => value.line(layout.spacing()),
            Self::Member(key, value) => {
                let mut out = String::new();
                crate::push_json_string(&mut out, key);
                out.push_str(layout.spacing().colon);
                out.push_str(&value.line(layout.spacing()));
                out
            }
        }
    }
}

/// How an empty container is filled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// On one line if that is short enough.
    Line,
    /// Over several lines.
    Lines,
}

impl Page<'_> {
    /// How an entry is filled that stands empty: as the first of its neighbours that is not.
    pub(super) fn shape_of_entries(&self, section: &Object<'_>) -> Shape {
        let filled = section.properties.iter().find_map(|property| {
            let entry = super::page::object(&property.value)?;
            (!entry.properties.is_empty()).then(|| self.items_of_object(entry).is_broken())
        });
        match filled {
            Some(true) => Shape::Lines,
            None if self.layout.broken => Shape::Lines,
            Some(false) | None => Shape::Line,
        }
    }

    /// Sets a member of an object; a new one comes before the first that `order` names later.
    pub(super) fn set_member(
        &self,
        object: &Object<'_>,
        new: (&str, Json),
        order: &[&str],
        shape: Shape,
    ) -> Vec<Splice> {
        let (key, value) = new;
        if let Some(found) = member(object, key) {
            if Json::of(found) == value {
                return Vec::new();
            }
            let indent = indent_of_line(self.text, found.start());
            let column = found.start() - line_start(self.text, found.start());
            let text = self.layout.print(&value, indent, column);
            return vec![Splice::new(found.start()..found.end(), text)];
        }
        let container = self.items_of_object(object);
        let rank = |key: &str| order.iter().position(|name| *name == key).unwrap_or(usize::MAX);
        let own = rank(key);
        let later = object.properties.iter().position(|m| rank(m.name.as_str()) > own);
        let after = match later {
            Some(later) => later.checked_sub(1),
            None => object.properties.len().checked_sub(1),
        };
        self.insert(&container, after, &[New::Member(key.to_owned(), value)], shape)
    }

    /// Puts items behind the one at `after`, or before the first.
    pub(super) fn insert(
        &self,
        container: &Container<'_>,
        after: Option<usize>,
        new: &[New],
        shape: Shape,
    ) -> Vec<Splice> {
        if new.is_empty() {
            return Vec::new();
        }
        if container.items.is_empty() {
            return self.fill(container, new, shape);
        }
        if container.is_broken() {
            return self.insert_lines(container, after, new);
        }
        if self.layout.broken && !container.has_comments() && !self.stays_on_line(container, new) {
            return self.break_and_insert(container, after, new);
        }
        self.insert_in_line(container, after, new)
    }

    /// Whether the line of a container may take more.
    fn stays_on_line(&self, container: &Container<'_>, new: &[New]) -> bool {
        let start = line_start(self.text, container.open);
        let end = self.text.get(container.close..).and_then(|rest| rest.find(['\n', '\r']));
        let used = container.close + end.unwrap_or(0) - start;
        let more: usize = new.iter().map(|new| new.line(self.layout).len() + 2).sum();
        new.iter().all(|new| new.value().is_leaf()) && used + more <= LINE_BYTES_MAX
    }

    fn insert_in_line(
        &self,
        container: &Container<'_>,
        after: Option<usize>,
        new: &[New],
    ) -> Vec<Splice> {
        let spacing = self.layout.spacing();
        let lines: Vec<String> = new.iter().map(|new| new.line(self.layout)).collect();
        let joined = lines.join(spacing.comma);
        let Some((after, item)) =
            after.and_then(|after| Some((after, container.items.get(after)?)))
        else {
            let at = container.items.first().map_or(container.open + 1, |first| first.start);
            return vec![Splice::insert(at, format!("{joined}{}", spacing.comma))];
        };
        let space = if spacing.comma.ends_with(' ') { " " } else { "" };
        match container.comma_after(after) {
            Some(comma) => vec![Splice::insert(comma + 1, format!("{space}{joined},"))],
            None => vec![Splice::insert(item.end, format!(",{space}{joined}"))],
        }
    }

    /// New lines among lines; comments stay on the line on which they were.
    fn insert_lines(
        &self,
        container: &Container<'_>,
        after: Option<usize>,
        new: &[New],
    ) -> Vec<Splice> {
        let indent = self.indent_of_items(container, after);
        let newline = self.layout.newline;
        let lines: Vec<String> = new
            .iter()
            .map(|new| format!("{newline}{indent}{}", new.print(self.layout, &indent)))
            .collect();
        let Some((after, item)) =
            after.and_then(|after| Some((after, container.items.get(after)?)))
        else {
            let until = container.items.first().map_or(container.close, |first| first.start);
            let at = end_of_line_comments(self.text, container.open + 1, until);
            let tail = self.separation(at);
            return vec![Splice::insert(at, format!("{},{tail}", lines.join(",")))];
        };
        let until = container.until(after);
        if let Some(comma) = container.comma_after(after) {
            let at = end_of_line_comments(self.text, comma + 1, until);
            let tail = self.separation(at);
            return vec![Splice::insert(at, format!("{},{tail}", lines.join(",")))];
        }
        let at = end_of_line_comments(self.text, item.end, until);
        let lines = lines.join(",");
        if at == item.end {
            vec![Splice::insert(at, format!(",{lines}"))]
        } else {
            vec![Splice::insert(item.end, ","), Splice::insert(at, lines)]
        }
    }

    /// A space where the text goes on right after what is put in.
    fn separation(&self, at: usize) -> &'static str {
        let next = self.text.get(at..).and_then(|rest| rest.chars().next());
        if next.is_some_and(|c| !c.is_ascii_whitespace()) { " " } else { "" }
    }

    /// The indentation of a container's items.
    fn indent_of_items(&self, container: &Container<'_>, after: Option<usize>) -> String {
        let near = after.and_then(|after| container.items.get(after));
        let own = |item: &Range<usize>| own_line_indent(self.text, item.start);
        let found = near.and_then(own).or_else(|| container.items.iter().find_map(own));
        found.map_or_else(
            || format!("{}{}", indent_of_line(self.text, container.open), self.layout.unit),
            str::to_owned,
        )
    }

    /// Puts every item of a container on a line of its own, and the new ones among them.
    fn break_and_insert(
        &self,
        container: &Container<'_>,
        after: Option<usize>,
        new: &[New],
    ) -> Vec<Splice> {
        let base = indent_of_line(self.text, container.open);
        let indent = format!("{base}{}", self.layout.unit);
        let newline = self.layout.newline;
        let lines: Vec<String> = new
            .iter()
            .map(|new| format!("{newline}{indent}{}", new.print(self.layout, &indent)))
            .collect();
        let lines = lines.join(",");
        let mut splices = Vec::with_capacity(container.items.len() + 1);
        let starts =
            std::iter::once(container.open + 1).chain(container.items.iter().map(|i| i.end));
        for (index, start) in starts.enumerate() {
            let end = container.items.get(index).map_or(container.close, |item| item.start);
            let (first, last) = (index == 0, index == container.items.len());
            let mut gap = String::new();
            let here = index.checked_sub(1) == after;
            if here && !first {
                gap.push(',');
            }
            if here {
                gap.push_str(&lines);
            }
            if (here && first) || (!first && !last) {
                gap.push(',');
            }
            gap.push_str(newline);
            gap.push_str(if last { base } else { &indent });
            splices.push(Splice::new(start..end, gap));
        }
        splices
    }

    /// Fills an empty container; comments in it stay before what is put in.
    fn fill(&self, container: &Container<'_>, new: &[New], shape: Shape) -> Vec<Splice> {
        let gap = container.open + 1..container.close;
        let base = indent_of_line(self.text, container.open);
        let indent = format!("{base}{}", self.layout.unit);
        let newline = self.layout.newline;
        let comments = trivia(self.text, gap.start, gap.end)
            .filter(|(part, _)| *part != Trivia::Space)
            .last()
            .map(|(part, range)| (part, range.end));
        let in_line: Vec<String> = new.iter().map(|new| new.line(self.layout)).collect();
        let in_line = in_line.join(self.layout.spacing().comma);
        let lines: Vec<String> = new
            .iter()
            .map(|new| format!("{newline}{indent}{}", new.print(self.layout, &indent)))
            .collect();
        let lines = lines.join(",");
        if let Some((kind, end)) = comments {
            let broken = self.text.get(gap.clone()).is_some_and(has_line_break);
            let rest = self.text.get(end..gap.end).unwrap_or("");
            if !broken && kind == Trivia::Block {
                return vec![Splice::insert(end, format!(" {in_line}"))];
            }
            let close =
                if has_line_break(rest) { String::new() } else { format!("{newline}{base}") };
            return vec![Splice::insert(end, format!("{lines}{close}"))];
        }
        let is_object = new.iter().any(|new| matches!(new, New::Member(..)));
        let pad = if is_object { self.layout.spacing().pad } else { "" };
        let column = container.open - line_start(self.text, container.open);
        let fits =
            column + in_line.len() <= LINE_BYTES_MAX && new.iter().all(|new| new.value().is_leaf());
        if !self.layout.broken || (shape == Shape::Line && fits) {
            return vec![Splice::new(gap, format!("{pad}{in_line}{pad}"))];
        }
        vec![Splice::new(gap, format!("{lines}{newline}{base}"))]
    }
}
