//! How records are to be read: which column is what, which part of a page, how long at most.
//!
//! Owns the options of reading. Never reads.

/// The columns that make an article, by the names they have in the input.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Fields {
    pub id: String,
    pub title: String,
    pub text: String,
    pub html: String,
    pub published_at: String,
    pub lang: String,
}

impl Default for Fields {
    fn default() -> Self {
        let own = str::to_owned;
        Self {
            id: own("id"),
            title: own("title"),
            text: own("text"),
            html: own("html"),
            published_at: own("published_at"),
            lang: own("lang"),
        }
    }
}

impl Fields {
    /// Reads `OURS=THEIRS`, such as `text=body`.
    ///
    /// # Errors
    /// What is wrong with `pair`.
    pub fn map(&mut self, pair: &str) -> Result<(), String> {
        let known = "id, title, text, html, published_at, lang";
        let (ours, theirs) =
            pair.split_once('=').ok_or_else(|| format!("`{pair}`: write OURS=THEIRS, such as text=body"))?;
        let field = match ours.trim() {
            "id" => &mut self.id,
            "title" => &mut self.title,
            "text" => &mut self.text,
            "html" => &mut self.html,
            "published_at" => &mut self.published_at,
            "lang" => &mut self.lang,
            other => return Err(format!("no field `{other}`; the fields are {known}")),
        };
        theirs.trim().clone_into(field);
        if self.all().iter().enumerate().any(|(at, name)| self.all()[..at].contains(name)) {
            return Err(format!("`{}` is given for two fields", theirs.trim()));
        }
        Ok(())
    }

    fn all(&self) -> [&str; 6] {
        [&self.id, &self.title, &self.text, &self.html, &self.published_at, &self.lang]
    }

    /// Whether `name` is a text of the article; those are not repeated in the output.
    pub(super) fn is_text(&self, name: &str) -> bool {
        [&self.title, &self.text, &self.html].into_iter().any(|field| field == name)
    }
}

/// Which part of a page is the article.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Region {
    /// The first `article` or `main` element; the whole page if it has none.
    #[default]
    Main,
    /// The whole page.
    All,
}

/// How records are read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading {
    /// Names of the columns.
    pub fields: Fields,
    /// Which part of a page.
    pub region: Region,
    /// A longer record is set aside.
    pub max_bytes: usize,
    /// Set a record aside that gives a time of publication which cannot be read.
    pub strict_published_at: bool,
}

impl Default for Reading {
    fn default() -> Self {
        Self {
            fields: Fields::default(),
            region: Region::Main,
            max_bytes: 64 << 20,
            strict_published_at: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_mapped_by_name() {
        let mut fields = Fields::default();
        fields.map("text=body").unwrap();
        fields.map("published_at = date").unwrap();
        assert_eq!((fields.text.as_str(), fields.published_at.as_str()), ("body", "date"));
        assert!(fields.is_text("body") && !fields.is_text("text"));
        for (pair, why) in
            [("body", "write OURS=THEIRS"), ("size=n", "no field `size`"), ("title=body", "for two fields")]
        {
            assert!(fields.clone().map(pair).unwrap_err().contains(why), "{pair}");
        }
    }
}
