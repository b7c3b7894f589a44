/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The grammar of condition words, which knows only the rows of fields.c:
 *
 *	change    = place { ( "up" | "down" ) place }
 *	place     = [ "clear" ] [ PROFILE ] { clause } { rule }
 *	rule      = "match" ( "off" | EXPRESSION [ "nth" LIST ] [ "first" AMOUNT ]
 *	                              ( "off" | clause { clause } ) )
 *	clause    = OPENER ( "off" | [ INSTEAD ] values { WORD values } )
 *	values    = [ VALUE { VALUE } ]
 *
 * What stands before any direction word holds for both directions; what stands behind one is laid
 * over that, clause by clause and rule by rule, whatever the order of the direction words;
 * a profile lies under the clauses of its place. `clear` and `off` are words of a change only.
 * Nothing here compares fields with each other: a change may rest on a state that is not known
 * yet. choppy_condition_parse() does, since nothing stands before it.
 *
 * An error names its word by index; point_at() adds the words and the caret.
 */
#include <errno.h>
#include <string.h>

#include "condition.h"
#include "err.h"
#include "explain.h"
#include "util.h"

/* Places are numbered by the directions that they are for. */
#define PLACES (CHOPPY_BOTH + 1)

/* tc-netem(8) has this word before the plain share of losses. */
static const char filler_word[] = "random";

/* Clauses as given, and the word that gave each field. */
struct given {
	struct choppy_condition c;
	int where[CHOPPY_NFIELDS];
};

struct layer {
	struct given given;
	uint64_t off; /* bits of the clauses that are removed */
	struct choppy_condition profile[CHOPPY_NDIRS];
	int profile_at; /* its word, or -1 */
	bool cleared, rules_off;
	bool ruled; /* a rule has begun here */
};

struct given_rule {
	struct choppy_rule rule; /* without its condition and directions */
	struct given given;
	unsigned int place;
	int at; /* `match` */
};

struct parser {
	int n;
	const char *const *words;
	bool for_change;
	bool printed; /* by a program: files are not looked for */
	int at; /* the next word */
	unsigned int place; /* CHOPPY_DIR_BIT()s */
	int empty; /* a direction word that has nothing behind it yet, or -1 */
	struct given_rule *rule; /* the one that is open, or NULL */
	int clause, head; /* as in struct spot */
	struct layer layer[PLACES];
	int nrules;
	struct given_rule rules[2 * CHOPPY_RULES_MAX]; /* one may stand once for each direction */
};

/* ------------------------------------------------------------------- caret */

#define LINE_COLUMNS 88

/* The word as it could be typed, in quotes where it has to be. */
static unsigned int typed(char ret[WORD_BYTES + 2], const char *word)
{
	unsigned int columns;

	if (!strchr(word, ' '))
		return word_shown(ret, word);
	ret[0] = '\'';
	columns = word_shown(ret + 1, word);
	strcat(ret, "'");
	return columns + 2;
}

/*
 * Add to @err the words and a caret under word @at: all of them, or as many around
 * it as fit a line. Returns @code.
 */
static int point_at(const struct parser *p, int at, int code, struct choppy_err *err)
{
	char shown[WORD_BYTES + 2];
	unsigned int width, before = 0, total, w;
	int first = at, last = at, i;
	bool grew = true;
	struct text t;

	if (!err)
		return code;
	t = (struct text){ err->msg, sizeof(err->msg), strlen(err->msg) };
	total = width = typed(shown, p->words[at]);
	while (grew) {
		grew = false;
		if (last + 1 < p->n) {
			w = 1 + typed(shown, p->words[last + 1]);
			if (total + w <= LINE_COLUMNS) {
				total += w;
				last++;
				grew = true;
			}
		}
		if (first > 0) {
			w = 1 + typed(shown, p->words[first - 1]);
			if (total + w <= LINE_COLUMNS) {
				total += w;
				before += w;
				first--;
				grew = true;
			}
		}
	}
	if (first > 0)
		before += (unsigned int)strlen("... ");
	text_add(&t, "\n  %s", first > 0 ? "... " : "");
	for (i = first; i <= last; i++) {
		typed(shown, p->words[i]);
		text_add(&t, "%s%s", i > first ? " " : "", shown);
	}
	text_add(&t, "%s\n  %*s^", last + 1 < p->n ? " ..." : "", (int)before, "");
	while (--width)
		text_add(&t, "~");
	return code;
}

static const char *place_suffix(unsigned int place)
{
	static const char *const suffix[PLACES] = {
		[CHOPPY_DIR_BIT(CHOPPY_UP)] = " for up",
		[CHOPPY_DIR_BIT(CHOPPY_DOWN)] = " for down",
		[CHOPPY_BOTH] = "",
	};

	return suffix[place];
}

static int twice(const struct parser *p, const char *what, struct choppy_err *err)
{
	return point_at(p, p->at,
			err_set(err, -EINVAL, "%s is given twice%s", what,
				p->rule ? " in this rule" : place_suffix(p->place)),
			err);
}

/* ------------------------------------------------------------------ clause */

/* Where clauses go now. */
static struct given *target(struct parser *p)
{
	return p->rule ? &p->rule->given : &p->layer[p->place].given;
}

static bool next_is(const struct parser *p, const char *word)
{
	return p->at < p->n && strcmp(p->words[p->at], word) == 0;
}

static void put_number(struct given *g, int f, uint64_t n)
{
	memcpy(field_value(&g->c, f), &n, sizeof(n));
}

/* The name of a file, or of what there is without one. */
static int take_name(char ret[CHOPPY_PATH_MAX], const struct choppy_field_row *row,
		     const char *word, struct choppy_err *err)
{
	if (strlen(word) >= CHOPPY_PATH_MAX)
		return err_set(err, -EINVAL, "%s has too long a name", row->name);
	strcpy(ret, word);
	return value_check(row, ret, err);
}

/* The value of row @f at the next word; @where: the word that stands for it in messages. */
static int parse_value(struct parser *p, int f, int where, struct choppy_err *err)
{
	const enum choppy_kind kind = fields[f].kind;
	const char *word = p->words[p->at];
	struct given *g = target(p);
	int r;

	if (p->printed && (kind == CHOPPY_KIND_DISTRIBUTION || kind == CHOPPY_KIND_TRACE))
		r = take_name(field_value(&g->c, f), &fields[f], word, err);
	else
		r = value_parse(field_value(&g->c, f), &fields[f], word, err);
	if (r < 0)
		return point_at(p, p->at, r, err);
	g->c.set |= CHOPPY_FIELD_BIT(f);
	g->where[f] = where;
	p->at++;
	return 0;
}

static const struct choppy_profile *find_profile(const char *name)
{
	const struct choppy_profile *profile = choppy_profiles();

	while (profile->name && strcmp(profile->name, name) != 0)
		profile++;
	return profile->name ? profile : NULL;
}

/* Row @head, whose word stands at @word: its own value, then those that may follow. */
static int parse_values(struct parser *p, int head, int word, struct choppy_err *err)
{
	const struct choppy_field_row *row = &fields[head];
	struct given *g = target(p);
	const bool instead = row->place == CHOPPY_PLACE_INSTEAD;
	bool left_out = row->kind == CHOPPY_KIND_FLAG ||
			(row->optional && (p->at == p->n || !value_begins(row, p->words[p->at])));
	int f, r;

	if (left_out) {
		put_number(g, head, row->kind == CHOPPY_KIND_FLAG ? 1 : row->otherwise);
		g->c.set |= CHOPPY_FIELD_BIT(head);
		g->where[head] = word;
	} else if (p->at == p->n) {
		return point_at(p, word,
				err_set(err, -EINVAL, "%s needs a value: for example %s%s%s %s",
					row->word, instead ? fields[p->clause].word : "",
					instead ? " " : "", row->word, value_example(row)),
				err);
	} else {
		r = parse_value(p, head, word, err);
		if (r < 0)
			return r;
	}
	for (f = head + 1; !left_out && f < group_end(head); f++) {
		if (p->at == p->n || !value_like(p->words[p->at]) || find_profile(p->words[p->at]))
			break;
		r = parse_value(p, f, p->at, err);
		if (r < 0)
			return r;
	}
	return 0;
}

/* The row of @place in @clause whose word is next, or -1. */
static int inner_row(const struct parser *p, int clause, enum choppy_place place)
{
	int f;

	for (f = clause + 1; f < clause_end(clause); f++)
		if (fields[f].place == place && next_is(p, fields[f].word))
			return f;
	return -1;
}

/* `off` behind a clause's word. */
static int parse_off(struct parser *p, int clause, struct choppy_err *err)
{
	if (p->rule)
		return point_at(p, p->at,
				err_set(err, -EINVAL,
					"a rule is given as a whole: leave %s out, or remove the "
					"rule: match EXPRESSION off",
					fields[clause].word),
				err);
	if (!p->for_change)
		return point_at(p, p->at,
				err_set(err, -EINVAL,
					"off has nothing to remove here: leave %s out",
					fields[clause].word),
				err);
	p->layer[p->place].off |= clause_mask(clause);
	p->at++;
	return 0;
}

/* What follows the clause's word first: a row in place of its own value, or that value. */
static int parse_head(struct parser *p, int clause, int word, struct choppy_err *err)
{
	int instead = inner_row(p, clause, CHOPPY_PLACE_INSTEAD), r;

	p->head = instead >= 0 ? instead : clause;
	if (instead >= 0)
		return parse_values(p, instead, p->at++, err);
	if (clause == CHOPPY_LOSS && next_is(p, filler_word))
		p->at++;
	if (p->at < p->n && !value_like(p->words[p->at])) {
		r = explain_instead(clause, p->words[p->at], err);
		if (r < 0)
			return point_at(p, p->at, r, err);
	}
	return parse_values(p, clause, word, err);
}

static int parse_clause(struct parser *p, int clause, struct choppy_err *err)
{
	struct given *g = target(p);
	uint64_t off = p->rule ? 0 : p->layer[p->place].off;
	const int word = p->at;
	int f, r;

	if ((g->c.set | off) & clause_mask(clause))
		return twice(p, fields[clause].word, err);
	if (p->rule && clause == CHOPPY_TRACE)
		return point_at(p, p->at, err_set(err, -EINVAL, "%s", rule_no_trace), err);
	p->empty = -1;
	p->clause = p->head = clause;
	p->at++;
	if (next_is(p, off_word))
		return parse_off(p, clause, err);
	r = parse_head(p, clause, word, err);
	while (r == 0 && (f = inner_row(p, clause, CHOPPY_PLACE_WORD)) >= 0) {
		if (field_set(&g->c, f))
			return twice(p, fields[f].word, err);
		r = parse_values(p, f, p->at++, err);
	}
	return r;
}

/* ----------------------------------------------------------------- profile */

#define PROFILE_WORDS_MAX 128
#define PROFILE_TEXT_MAX 1024

/* A profile's name comes before everything else in its place but `clear`. */
static bool profile_may_stand(const struct parser *p)
{
	const struct layer *l = &p->layer[p->place];

	return !p->rule && !l->given.c.set && !l->off && l->profile_at < 0 && !l->ruled;
}

static int parse_profile(struct parser *p, const struct choppy_profile *profile,
			 struct choppy_err *err)
{
	const char *words[PROFILE_WORDS_MAX];
	struct choppy_change change;
	char text[PROFILE_TEXT_MAX];
	int n, r;

	n = strlen(profile->words) < sizeof(text) ? choppy_words_split(text, words, profile->words)
						  : -E2BIG;
	r = n < 0 ? err_sys(err, n, "profile %s", profile->name)
		  : choppy_change_parse(&change, n, words, false, err);
	if (r < 0)
		return r;
	memcpy(p->layer[p->place].profile, change.dir, sizeof(change.dir));
	p->layer[p->place].profile_at = p->at++;
	p->empty = -1;
	return 0;
}

/* -------------------------------------------------------------------- rule */

#define MATCH_EXAMPLE "for example match 'tcp port 80' loss 30%%"

static bool opens_clause(const char *word)
{
	int f;

	for (f = 0; f < CHOPPY_NFIELDS; f++)
		if (fields[f].place == CHOPPY_PLACE_CLAUSE && strcmp(word, fields[f].word) == 0)
			return true;
	return false;
}

static int find_direction(const char *word)
{
	int d;

	for (d = 0; d < CHOPPY_NDIRS; d++)
		if (strcmp(word, dir_words[d]) == 0)
			return d;
	return -1;
}

/* The expression at the next word. */
static int parse_expression(struct parser *p, struct choppy_err *err)
{
	const char *word = p->at < p->n ? p->words[p->at] : NULL;
	const char *c;
	int r = 0;

	if (!word)
		return point_at(p, p->rule->at,
				err_set(err, -EINVAL, "match needs an expression: " MATCH_EXAMPLE),
				err);
	for (c = word; *c; c++)
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			r = err_set(err, -EINVAL,
				    "the expression has a control character: leave it out");
	if (strlen(word) >= CHOPPY_MATCH_MAX)
		r = err_set(err, -EINVAL,
			    "the expression has %zu characters, at most %d are possible",
			    strlen(word), CHOPPY_MATCH_MAX - 1);
	if (word[strspn(word, " ")] == '\0' || opens_clause(word) || find_direction(word) >= 0 ||
	    strcmp(word, match_word) == 0 || strcmp(word, clear_word) == 0 ||
	    strcmp(word, rule_nth_row.word) == 0 || strcmp(word, rule_first_row.word) == 0)
		r = err_set(err, -EINVAL, "match needs an expression: " MATCH_EXAMPLE);
	if (r < 0)
		return point_at(p, p->at, r, err);
	strcpy(p->rule->rule.match, word);
	p->at++;
	return 0;
}

/* `nth LIST` or `first AMOUNT`, when @row's word is next. */
static int parse_number(struct parser *p, const struct choppy_field_row *row, void *ret,
			struct choppy_err *err)
{
	int r;

	if (!next_is(p, row->word))
		return 0;
	if (++p->at == p->n)
		return point_at(p, p->at - 1,
				err_set(err, -EINVAL, "%s needs a value: for example %s %s",
					row->word, row->word, value_example(row)),
				err);
	r = value_parse(ret, row, p->words[p->at], err);
	if (r < 0)
		return point_at(p, p->at, r, err);
	p->at++;
	return 0;
}

/* `match off` */
static int parse_rules_off(struct parser *p, struct choppy_err *err)
{
	struct layer *l = &p->layer[p->place];
	int r = 0;

	if (!p->for_change)
		r = err_set(err, -EINVAL,
			    "match off has nothing to remove here: no rule is set yet");
	else if (l->rules_off)
		return twice(p, "match off", err);
	else if (l->ruled)
		r = err_set(err, -EINVAL,
			    "match off would remove the rules before it: put it first");
	if (r < 0)
		return point_at(p, p->at, r, err);
	l->rules_off = true;
	p->empty = -1;
	p->at += 2;
	return 0;
}

/* `off` behind a rule's head, which nothing can follow. */
static int parse_rule_off(struct parser *p, struct choppy_err *err)
{
	if (!p->for_change)
		return point_at(p, p->at,
				err_set(err, -EINVAL,
					"match ... off has nothing to remove here: no rule is set "
					"yet"),
				err);
	p->rule->rule.off = 1;
	p->at++;
	return 0;
}

static int parse_match(struct parser *p, struct choppy_err *err)
{
	int i, r, at = p->at;

	if (p->at + 1 < p->n && strcmp(p->words[p->at + 1], off_word) == 0)
		return parse_rules_off(p, err);
	if (p->nrules == 2 * CHOPPY_RULES_MAX)
		return point_at(
			p, at,
			err_set(err, -EINVAL, "a link has at most %d rules", CHOPPY_RULES_MAX),
			err);
	p->rule = &p->rules[p->nrules];
	p->rule->place = p->place;
	p->rule->at = p->at++;
	p->layer[p->place].ruled = true;
	p->empty = -1;
	r = parse_expression(p, err);
	if (r == 0)
		r = parse_number(p, &rule_nth_row, &p->rule->rule.nth, err);
	if (r == 0)
		r = parse_number(p, &rule_first_row, &p->rule->rule.first, err);
	if (r < 0)
		return r;
	for (i = 0; i < p->nrules; i++)
		if (p->rules[i].place == p->place && rule_same(&p->rules[i].rule, &p->rule->rule))
			return point_at(p, at,
					err_set(err, -EINVAL, "this rule is given twice%s",
						place_suffix(p->place)),
					err);
	p->nrules++;
	return next_is(p, off_word) ? parse_rule_off(p, err) : 0;
}

/* An expression of several words that are not quoted: the words from it to the wrong one. */
static int unquoted(const struct parser *p, struct choppy_err *err)
{
	char words[2 * WORD_BYTES];
	struct text t = text_begin(words, sizeof(words));
	char shown[WORD_BYTES];
	int i;

	for (i = p->rule->at + 1; i < p->n && i < p->rule->at + 5; i++) {
		if (opens_clause(p->words[i]) || find_direction(p->words[i]) >= 0)
			break;
		word_shown(shown, p->words[i]);
		text_add(&t, "%s%s", t.len ? " " : "", shown);
	}
	return err_set(err, -EINVAL, "an expression of several words is one argument: match '%s'",
		       words);
}

/* Before the next `match` or direction and at the end: nothing that was begun is empty. */
static int finish(struct parser *p, struct choppy_err *err)
{
	char head[WORD_BYTES * 2];
	struct text t = text_begin(head, sizeof(head));

	if (p->empty >= 0)
		return point_at(p, p->empty,
				err_set(err, -EINVAL,
					"%s needs a condition after it: for example %s loss 30%%",
					p->words[p->empty], p->words[p->empty]),
				err);
	if (p->rule && !p->rule->given.c.set && !p->rule->rule.off) {
		rule_print_head(&t, &p->rule->rule);
		return point_at(p, p->rule->at,
				err_set(err, -EINVAL,
					"match needs a condition after its expression: for example "
					"%s loss 30%%",
					t.len < sizeof(head) ? head : "match EXPRESSION"),
				err);
	}
	p->rule = NULL;
	p->clause = p->head = -1;
	return 0;
}

/* ------------------------------------------------------------------ change */

static int parse_direction(struct parser *p, int d, struct choppy_err *err)
{
	int r = finish(p, err);

	if (r < 0)
		return r;
	p->place = CHOPPY_DIR_BIT(d);
	p->empty = p->at++;
	return 0;
}

static int parse_clear(struct parser *p, struct choppy_err *err)
{
	struct layer *l = &p->layer[p->place];

	if (l->cleared)
		return twice(p, clear_word, err);
	if (!profile_may_stand(p) || l->rules_off)
		return point_at(p, p->at,
				err_set(err, -EINVAL,
					"clear would remove what stands before it: put it first"),
				err);
	l->cleared = true;
	p->empty = -1;
	p->at++;
	return 0;
}

static int parse_unknown(struct parser *p, struct choppy_err *err)
{
	const struct spot s = { .clause = p->clause,
				.head = p->head,
				.for_change = p->for_change,
				.profile = profile_may_stand(p) };
	const char *word = p->words[p->at];
	bool bare = p->rule && !p->rule->given.c.set && !p->rule->rule.off;
	int r = explain_known(&s, word, err);

	if (r == 0)
		r = bare && explain_unquoted(&s, word) ? unquoted(p, err)
						       : explain_word(&s, word, err);
	return point_at(p, p->at, r, err);
}

/* Behind `match EXPRESSION off` stands no clause. */
static int behind_off(struct parser *p, struct choppy_err *err)
{
	return point_at(p, p->at,
			err_set(err, -EINVAL,
				"the rule before is removed and takes no condition: put %s before "
				"match",
				p->words[p->at]),
			err);
}

static int parse_word(struct parser *p, struct choppy_err *err)
{
	const char *word = p->words[p->at];
	const struct choppy_profile *profile;
	int i, r;

	i = find_direction(word);
	if (i >= 0)
		return parse_direction(p, i, err);
	if (strcmp(word, match_word) == 0) {
		p->empty = -1; /* a direction may begin with a rule */
		r = finish(p, err);
		return r < 0 ? r : parse_match(p, err);
	}
	if (p->for_change && strcmp(word, clear_word) == 0)
		return parse_clear(p, err);
	for (i = 0; i < CHOPPY_NFIELDS; i = clause_end(i))
		if (strcmp(word, fields[i].word) == 0)
			return p->rule && p->rule->rule.off ? behind_off(p, err)
							    : parse_clause(p, i, err);
	profile = profile_may_stand(p) ? find_profile(word) : NULL;
	return profile ? parse_profile(p, profile, err) : parse_unknown(p, err);
}

static void begin(struct parser *p, int n, const char *const *words)
{
	memset(p, 0, sizeof(*p));
	p->n = n;
	p->words = words;
	p->place = CHOPPY_BOTH;
	p->empty = p->clause = p->head = -1;
	for (unsigned int i = 0; i < PLACES; i++)
		p->layer[i].profile_at = -1;
}

static int parse_all(struct parser *p, struct choppy_err *err)
{
	int r = 0;

	while (r == 0 && p->at < p->n)
		r = parse_word(p, err);
	return r < 0 ? r : finish(p, err);
}

/* ----------------------------------------------------------------- collect */

/* Lay @l over what @change has for @d. */
static void lay(struct choppy_change *change, int d, const struct layer *l)
{
	uint64_t set = condition_clauses(l->profile[d].set | l->given.c.set);

	choppy_condition_merge(&change->dir[d], &l->profile[d]);
	choppy_condition_merge(&change->dir[d], &l->given.c);
	condition_remove(&change->dir[d], l->off);
	change->off[d] = (change->off[d] & ~set) | l->off;
	change->rules_off[d] |= l->rules_off;
}

/* The rules of @place that hold for @d, behind or in place of those in @list. */
static void lay_rules(struct rule_list *list, struct parser *p, unsigned int place)
{
	int i;

	for (i = 0; i < p->nrules; i++)
		if (p->rules[i].place == place)
			rule_list_lay(list, &p->rules[i].rule);
}

/* A direction's own words are laid over those for both, or stand in their place when it clears. */
static int collect(struct choppy_change *ret, struct parser *p, struct choppy_err *err)
{
	struct rule_list list[CHOPPY_NDIRS] = { 0 };
	int d, i;

	memset(ret, 0, sizeof(*ret));
	for (i = 0; i < p->nrules; i++)
		p->rules[i].rule.condition = p->rules[i].given.c;
	for (d = 0; d < CHOPPY_NDIRS; d++) {
		const unsigned int place = CHOPPY_DIR_BIT(d);
		const struct layer *own = &p->layer[place];

		ret->clear[d] = p->layer[CHOPPY_BOTH].cleared || own->cleared;
		if (!own->cleared)
			lay(ret, d, &p->layer[CHOPPY_BOTH]);
		lay(ret, d, own);
		if (!own->cleared && !own->rules_off)
			lay_rules(&list[d], p, CHOPPY_BOTH);
		lay_rules(&list[d], p, place);
	}
	i = rules_weave(&ret->rules, list, err);
	/* What makes the rule too many is the last of them. */
	return i < 0 ? point_at(p, p->rules[p->nrules - 1].at, -EINVAL, err) : 0;
}

static int parse_change(struct choppy_change *ret, struct parser *p, struct choppy_err *err)
{
	struct choppy_change change;
	int r = parse_all(p, err);

	if (r == 0)
		r = collect(&change, p, err);
	if (r == 0)
		*ret = change;
	return r;
}

int choppy_change_parse(struct choppy_change *ret, int n, const char *const *words, bool for_change,
			struct choppy_err *err)
{
	struct parser p;

	begin(&p, n, words);
	p.for_change = for_change;
	return parse_change(ret, &p, err);
}

int condition_read_back(struct choppy_change *ret, int n, const char *const *words,
			struct choppy_err *err)
{
	struct parser p;

	begin(&p, n, words);
	p.printed = true;
	return parse_change(ret, &p, err);
}

/* ----------------------------------------------------------- whole condition */

/* The word that gave field @f its value for direction @d. */
static int word_of(const struct parser *p, int d, int f)
{
	const unsigned int places[] = { CHOPPY_DIR_BIT(d), CHOPPY_BOTH };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(places); i++) {
		const struct layer *l = &p->layer[places[i]];

		if (field_set(&l->given.c, f))
			return l->given.where[f];
		if (field_set(&l->profile[d], f))
			return l->profile_at;
	}
	return p->n - 1;
}

/* Whether rule @i holds for @d, and no other is in its place. */
static bool rule_holds(const struct parser *p, int i, int d)
{
	int k;

	if (p->rules[i].place == CHOPPY_DIR_BIT(d))
		return true;
	if (p->rules[i].place != CHOPPY_BOTH)
		return false;
	for (k = 0; k < p->nrules; k++)
		if (p->rules[k].place == CHOPPY_DIR_BIT(d) &&
		    rule_same(&p->rules[k].rule, &p->rules[i].rule))
			return false;
	return true;
}

static int check_direction(const struct parser *p, const struct choppy_change *change, int d,
			   struct choppy_err *err)
{
	int f, i, r = condition_check(&change->dir[d], &f, err);

	if (r < 0)
		return point_at(p, word_of(p, d, f), r, err);
	for (i = 0; i < p->nrules; i++) {
		const struct given_rule *rule = &p->rules[i];
		struct choppy_condition c = change->dir[d];

		if (!rule_holds(p, i, d))
			continue;
		choppy_condition_merge(&c, &rule->given.c);
		r = condition_check(&c, &f, err);
		if (r < 0)
			return point_at(
				p, field_set(&rule->given.c, f) ? rule->given.where[f] : rule->at,
				r, err);
	}
	return 0;
}

int choppy_condition_parse(struct choppy_condition ret[CHOPPY_NDIRS],
			   struct choppy_rules *ret_rules, int n, const char *const *words,
			   struct choppy_err *err)
{
	struct choppy_change change;
	struct parser p;
	int d, r;

	begin(&p, n, words);
	r = parse_change(&change, &p, err);
	for (d = 0; r == 0 && d < CHOPPY_NDIRS; d++)
		r = check_direction(&p, &change, d, err);
	if (r < 0)
		return r;
	memcpy(ret, change.dir, sizeof(change.dir));
	if (ret_rules)
		*ret_rules = change.rules;
	return 0;
}
