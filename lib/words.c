/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Text as words and words as text, by the quoting of sh(1) without its expansions. */
#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "value.h"

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\n';
}

/* Copy one word from *@from to *@to, without its quotes. False: it has no end. */
static bool take_word(char **to, const char **from)
{
	const char *p = *from;
	char quote = '\0';

	for (; *p && (quote || !is_space(*p)); p++) {
		if (quote ? *p == quote : *p == '\'' || *p == '"') {
			quote = quote ? '\0' : *p;
			continue;
		}
		/* Inside "..." only what would end or escape is escaped. */
		if (*p == '\\' && quote != '\'' && (!quote || p[1] == '"' || p[1] == '\\'))
			if (!*++p)
				return false;
		*(*to)++ = *p;
	}
	*(*to)++ = '\0';
	*from = p;
	return !quote;
}

int choppy_words_split(char *buf, const char **words, const char *text)
{
	int n = 0;

	for (;;) {
		while (is_space(*text))
			text++;
		if (!*text)
			return n;
		words[n++] = buf;
		if (!take_word(&buf, &text))
			return -EINVAL;
	}
}

void text_add_word(struct text *t, const char *word)
{
	const char *p = word;

	while (isalnum((unsigned char)*p) || (*p && strchr("%+,-./:=@_", *p)))
		p++;
	if (*word && !*p) {
		text_add(t, "%s", word);
		return;
	}
	text_add(t, "'");
	for (p = word; *p; p++) {
		if (*p == '\'')
			text_add(t, "'\\''");
		else
			text_add(t, "%c", *p);
	}
	text_add(t, "'");
}
