/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A lab as an SVG that needs nothing else. choppy_layout() says where the nodes are; links are
 * drawn below them, labels above. Lengths are pixels, and those of texts are reckoned by their
 * characters, which in a font of one width is what they are.
 *
 * What a link does stands in its middle or, if it is another thing each way, near the end that
 * sends. Of some places along the link the first is taken where no node and no label is yet; which
 * places are taken is kept in a coarse bitmap. All of it stands in the link's tooltip as well, with
 * the addresses.
 */
#include "../lib/json.h"
#include "graph.h"
#include "out.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MARGIN 20
#define BOX_HEIGHT 36
#define NAME_SIZE 12 /* of fonts */
#define SMALL_SIZE 10
#define LINE_HEIGHT 12
#define WRAP 26 /* characters in a line of a label */
#define GAP_X 28
#define GAP_Y 44 /* and two labels */
#define GAP_Y_MAX 200
#define SLOPE 14
#define ARC 14
#define STACK 9 /* leaves of one node that stand in columns */
#define SPINE 16 /* room for the line along such a column */
#define TWIN_GAP 12 /* between links that join the same nodes */
#define CELL 6 /* of the bitmap */

struct rect {
	int x, y, w, h;
};

/* From the upper end, or the left one, to the other. */
struct path {
	int x[6], y[6];
	int n;
	bool arc; /* points 1 to 3 are a curve, with 2 beside it */
	int first; /* the end of the link with which it begins */
};

struct svg {
	const struct drawing *d;
	FILE *f;
	const struct choppy_spot *spots;
	int w, h;
	uint8_t *taken; /* by cell */
	int columns, rows;
	uint32_t *twin,
		*twins; /* by link: which it is of those that join its nodes, and how many */
};

/* -------------------------------------------------------------------- texts */

/* Columns that @n bytes of @text take. */
static int columns(const char *text, size_t n)
{
	int count = 0;

	for (size_t i = 0; i < n && text[i]; i++)
		count += ((unsigned char)text[i] & 0xc0) != 0x80;
	return count;
}

static int text_width(const char *text, size_t n, int font)
{
	return (columns(text, n) * font * 61 + 99) / 100;
}

static void escaped_part(FILE *f, const char *text, size_t n)
{
	static const struct {
		char c;
		const char *entity;
	} entities[] = { { '&', "&amp;" }, { '<', "&lt;" }, { '>', "&gt;" }, { '"', "&quot;" } };
	const unsigned char *p = (const unsigned char *)text, *end = p + n;

	while (p < end && *p) {
		int len = json_utf8_len(p);
		size_t e = 0;

		while (e < 4 && entities[e].c != (char)*p)
			e++;
		if (e < 4)
			fputs(entities[e].entity, f);
		else if (len == 0 || (p[0] == 0xef && p[1] == 0xbf && p[2] >= 0xbe))
			fputs("\xef\xbf\xbd", f); /* what XML cannot hold */
		else
			fwrite(p, 1, (size_t)len, f);
		p += len ? len : 1;
	}
}

static void escaped(FILE *f, const char *text)
{
	escaped_part(f, text, strlen(text));
}

/* The bytes of the next line of a label at *@p, which moves on behind it. 0: there is none. */
static size_t next_line(const char **p, const char **ret)
{
	size_t n = 0, fits = 0;

	*ret = *p += strspn(*p, " ");
	while (columns(*ret, n) < WRAP && (*ret)[n]) {
		n++;
		while (((unsigned char)(*ret)[n] & 0xc0) == 0x80)
			n++;
		if ((*ret)[n] == ' ' || !(*ret)[n])
			fits = n;
	}
	n = fits ? fits : n; /* a word that is too long is cut */
	*p += n;
	return n;
}

/* The size of a label in which @text is wrapped. */
static struct rect label_size(const char *text)
{
	struct rect r = { 0 };
	const char *line;
	size_t n;

	while ((n = next_line(&text, &line))) {
		int w = text_width(line, n, SMALL_SIZE);

		r.w = w > r.w ? w : r.w;
		r.h += LINE_HEIGHT;
	}
	return r;
}

static void put_label(FILE *f, const char *text, const struct rect *at, const char *anchor)
{
	int x = *anchor == 'm' ? at->x + at->w / 2 : at->x, y = at->y + SMALL_SIZE;
	const char *line;
	size_t n;

	fprintf(f,
		"<rect class=\"label\" x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\"/>"
		"<text class=\"label\" text-anchor=\"%s\">",
		at->x, at->y, at->w, at->h, anchor);
	while ((n = next_line(&text, &line))) {
		fprintf(f, "<tspan x=\"%d\" y=\"%d\">", x, y);
		escaped_part(f, line, n);
		fputs("</tspan>", f);
		y += LINE_HEIGHT;
	}
	fputs("</text>\n", f);
}

/* The words that stand at end @e, or in the middle (@e is 2); "" for none; to be freed. */
static char *label_text(const struct drawing *d, uint32_t l, int e)
{
	const struct drawn_link *link = &d->links[l];

	if (link->same)
		return strdup(e == 2 ? link->words[0] : "");
	return e < 2 && *link->words[e] ? drawing_way(d, l, e) : strdup("");
}

/* -------------------------------------------------------------------- nodes */

/* The address that stands below a name: of a node with one. */
static const char *node_address(const struct drawing *d, uint32_t i)
{
	uint32_t end = d->at[d->first[i]];

	return d->first[i + 1] - d->first[i] == 1 ? drawing_address(d, end / 2, end % 2) : "";
}

static int box_width(const struct drawing *d, uint32_t i)
{
	const char *name = d->nodes[i].name, *address = node_address(d, i);
	int w = text_width(name, strlen(name), NAME_SIZE);
	int a = text_width(address, strlen(address), SMALL_SIZE);

	w = (w > a ? w : a) + 20;
	return strcmp(d->nodes[i].kind, "host") == 0 ? w : w + w / 6 + 8;
}

static struct rect box_of(const struct svg *s, uint32_t i)
{
	const struct choppy_spot *spot = &s->spots[i];
	int w = box_width(s->d, i);

	return (struct rect){ spot->stacked ? spot->x + SPINE : spot->x + (spot->w - w) / 2,
			      spot->y, w, BOX_HEIGHT };
}

static void put_host(FILE *f, const struct rect *b)
{
	fprintf(f, "<rect class=\"shape\" x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" rx=\"3\"/>",
		b->x, b->y, b->w, b->h);
}

static void put_router(FILE *f, const struct rect *b)
{
	fprintf(f, "<ellipse class=\"shape\" cx=\"%d\" cy=\"%d\" rx=\"%d\" ry=\"%d\"/>",
		b->x + b->w / 2, b->y + b->h / 2, b->w / 2, b->h / 2);
}

static void put_switch(FILE *f, const struct rect *b)
{
	int x = b->x, y = b->y, w = b->w, h = b->h;

	fprintf(f, "<polygon class=\"shape\" points=\"%d,%d %d,%d %d,%d %d,%d %d,%d %d,%d\"/>",
		x + 10, y, x + w - 10, y, x + w, y + h / 2, x + w - 10, y + h, x + 10, y + h, x,
		y + h / 2);
}

static void put_uplink(FILE *f, const struct rect *b)
{
	fprintf(f, "<rect class=\"shape\" x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" rx=\"%d\"/>",
		b->x, b->y, b->w, b->h, b->h / 2);
}

static const struct {
	const char *kind;
	void (*put)(FILE *f, const struct rect *b);
} shapes[] = {
	{ "host", put_host },
	{ "router", put_router },
	{ "switch", put_switch },
	{ "uplink", put_uplink },
};

/* What is known of a node, for who points at it. */
static void put_node_title(const struct svg *s, uint32_t i)
{
	const struct drawing *d = s->d;

	fprintf(s->f, "<title>%s ", d->nodes[i].kind);
	escaped(s->f, d->nodes[i].name);
	for (uint32_t k = d->first[i]; i != d->outside && k < d->first[i + 1]; k++) {
		const struct choppy_file_end *end = &d->links[d->at[k] / 2].link.end[d->at[k] % 2];

		if (drawing_node(d, d->at[k] / 2, !(d->at[k] % 2)) == d->outside)
			continue;
		if (*end->addr4 || *end->addr6)
			fprintf(s->f, "\neth%u %s%s%s", end->port, end->addr4,
				*end->addr4 && *end->addr6 ? " " : "", end->addr6);
	}
	fprintf(s->f, "%s</title>\n", d->nodes[i].runs ? "\nruns a command" : "");
}

static void put_node(const struct svg *s, uint32_t i)
{
	const struct choppy_file_node *n = &s->d->nodes[i];
	const char *address = node_address(s->d, i);
	struct rect b = box_of(s, i);
	int x = b.x + b.w / 2, y = b.y + b.h / 2;
	size_t k = 0;

	while (strcmp(shapes[k].kind, n->kind) != 0)
		k++;
	fprintf(s->f, "<g class=\"node %s%s\">\n", n->kind, n->runs ? " runs" : "");
	put_node_title(s, i);
	shapes[k].put(s->f, &b);
	fprintf(s->f, "\n<text x=\"%d\" y=\"%d\">", x, *address ? y - 1 : y + 4);
	escaped(s->f, n->name);
	fputs("</text>\n", s->f);
	if (*address) {
		fprintf(s->f, "<text class=\"address\" x=\"%d\" y=\"%d\">", x, y + 12);
		escaped(s->f, address);
		fputs("</text>\n", s->f);
	}
	fputs("</g>\n", s->f);
}

/* -------------------------------------------------------------------- paths */

static void add_point(struct path *p, int x, int y)
{
	p->x[p->n] = x;
	p->y[p->n++] = y;
}

/* To a layer below: past what is higher in this one, then straight. */
static void path_down(const struct svg *s, struct path *p, uint32_t upper, uint32_t lower,
		      int shift)
{
	const struct choppy_spot *u = &s->spots[upper], *l = &s->spots[lower];
	struct rect from = box_of(s, upper), to = box_of(s, lower);

	add_point(p, from.x + from.w / 2 + shift, from.y + from.h);
	if (u->below > from.y + from.h)
		add_point(p, from.x + from.w / 2 + shift, u->below);
	if (!l->stacked) {
		add_point(p, to.x + to.w / 2 + shift, to.y);
		return;
	}
	/* Along the column. */
	add_point(p, l->x + SPINE / 2, l->top - 10);
	add_point(p, l->x + SPINE / 2, to.y + to.h / 2 + shift);
	add_point(p, to.x, to.y + to.h / 2 + shift);
}

/* To a neighbour in the layer. */
static void path_beside(const struct svg *s, struct path *p, uint32_t left, uint32_t right,
			int shift)
{
	struct rect a = box_of(s, left), b = box_of(s, right);

	add_point(p, a.x + a.w, a.y + a.h / 2 + shift);
	add_point(p, b.x, b.y + b.h / 2 + shift);
}

/* To another in the layer: below those between. */
static void path_arc(const struct svg *s, struct path *p, uint32_t left, uint32_t right, int shift)
{
	struct rect a = box_of(s, left), b = box_of(s, right);
	int below = s->spots[left].below, past = (int)s->spots[right].place;
	int ax = a.x + a.w / 2 + 6, bx = b.x + b.w / 2 - 6;

	past -= (int)s->spots[left].place + 1;
	past = past > 8 ? 8 : past;
	add_point(p, ax, a.y + a.h);
	add_point(p, ax, below);
	add_point(p, (ax + bx) / 2, below + 2 * (8 + ARC * past + abs(shift)));
	add_point(p, bx, below);
	add_point(p, bx, b.y + b.h);
	p->arc = true;
}

static struct path path_of(const struct svg *s, uint32_t l)
{
	uint32_t node[2] = { drawing_node(s->d, l, 0), drawing_node(s->d, l, 1) };
	const struct choppy_spot *a = &s->spots[node[0]], *b = &s->spots[node[1]];
	bool level = a->layer == b->layer;
	struct path p = { .first = level ? a->x > b->x : a->layer > b->layer };
	int shift = TWIN_GAP * (2 * (int)s->twin[l] - (int)s->twins[l] + 1) / 2;

	if (!level)
		path_down(s, &p, node[p.first], node[!p.first], shift);
	else if (a->place + 1 == b->place || b->place + 1 == a->place)
		path_beside(s, &p, node[p.first], node[!p.first], shift);
	else
		path_arc(s, &p, node[p.first], node[!p.first], shift);
	return p;
}

/* The point of @p at share @t of its length. */
static void point_at(const struct path *p, double t, int *x, int *y)
{
	double length[6] = { 0 }, left;
	int i;

	if (p->arc) {
		double u = 1 - t;

		*x = (int)(u * u * p->x[1] + 2 * u * t * p->x[2] + t * t * p->x[3]);
		*y = (int)(u * u * p->y[1] + 2 * u * t * p->y[2] + t * t * p->y[3]);
		return;
	}
	for (i = 1; i < p->n; i++)
		length[i] = length[i - 1] + hypot(p->x[i] - p->x[i - 1], p->y[i] - p->y[i - 1]);
	left = t * length[p->n - 1];
	for (i = 1; i < p->n - 1 && length[i] < left; i++)
		;
	t = length[i] > length[i - 1] ? (left - length[i - 1]) / (length[i] - length[i - 1]) : 0;
	*x = (int)(p->x[i - 1] + t * (p->x[i] - p->x[i - 1]));
	*y = (int)(p->y[i - 1] + t * (p->y[i] - p->y[i - 1]));
}

static void put_path(const struct svg *s, const struct path *p)
{
	fprintf(s->f, "<path d=\"M%d,%d", p->x[0], p->y[0]);
	for (int i = 1; i < p->n; i++) {
		if (p->arc && i == 2)
			fprintf(s->f, " Q%d,%d %d,%d", p->x[2], p->y[2], p->x[3], p->y[3]);
		else if (!p->arc || i != 3)
			fprintf(s->f, " L%d,%d", p->x[i], p->y[i]);
	}
	fputs("\"/>\n", s->f);
}

/* ------------------------------------------------------------------- labels */

/* The cells that @r covers; false when it is not within the drawing. */
static bool cells_of(const struct svg *s, const struct rect *r, struct rect *ret)
{
	ret->x = (r->x + MARGIN) / CELL;
	ret->y = (r->y + MARGIN) / CELL;
	ret->w = (r->x + MARGIN + r->w) / CELL;
	ret->h = (r->y + MARGIN + r->h) / CELL;
	return r->x >= -MARGIN && r->y >= -MARGIN && ret->w < s->columns && ret->h < s->rows;
}

static void take(struct svg *s, const struct rect *r)
{
	struct rect c;

	if (cells_of(s, r, &c))
		for (int y = c.y; y <= c.h; y++)
			memset(s->taken + (size_t)y * (size_t)s->columns + c.x, 1,
			       (size_t)(c.w - c.x + 1));
}

static bool is_free(const struct svg *s, const struct rect *r)
{
	struct rect c;

	if (!cells_of(s, r, &c))
		return false;
	for (int y = c.y; y <= c.h; y++)
		if (memchr(s->taken + (size_t)y * (size_t)s->columns + c.x, 1,
			   (size_t)(c.w - c.x + 1)))
			return false;
	return true;
}

/* Where a label may stand: as shares of the way from its end, or from the upper one. */
static const double shares[3][8] = {
	{ 0.25, 0.32, 0.18, 0.4, 0.12, 0.45, 0.35, 0.22 },
	{ 0.25, 0.32, 0.18, 0.4, 0.12, 0.45, 0.35, 0.22 },
	{ 0.6, 0.7, 0.5, 0.8, 0.4, 0.75, 0.3, 0.2 },
};

/* A label of @size at @p, in its middle or near end @e. */
static struct rect place_label(struct svg *s, const struct path *p, int e, struct rect size)
{
	struct rect first = size;

	for (int i = 0; i < 3 * 8; i++) {
		double share = shares[e][i / 3];
		int x, y;

		point_at(p, e < 2 && e != p->first ? 1 - share : share, &x, &y);
		/* On the line, or on one side of it. */
		size.x = x - size.w / 2 + (i % 3 == 1) * (size.w / 2 + 5) -
			 (i % 3 == 2) * (size.w / 2 + 5);
		size.y = y - size.h / 2;
		if (i == 0)
			first = size;
		if (is_free(s, &size)) {
			take(s, &size);
			return size;
		}
	}
	return first;
}

/* Beside a leaf in a stack there is room for its label. */
static bool stacked_label(struct svg *s, uint32_t l)
{
	struct rect box, at;
	uint32_t leaf = drawing_node(s->d, l, 0);
	char *words;

	leaf = s->spots[leaf].stacked ? leaf : drawing_node(s->d, l, 1);
	words = drawing_words(s->d, l);
	if (!words)
		return false;
	box = box_of(s, leaf);
	at = label_size(words);
	at.x = box.x + box.w + 6;
	at.y = box.y + (box.h - at.h) / 2;
	if (*words)
		put_label(s->f, words, &at, "start");
	free(words);
	return true;
}

static bool put_labels(struct svg *s, uint32_t l)
{
	struct path p = path_of(s, l);

	if (s->spots[drawing_node(s->d, l, 0)].stacked ||
	    s->spots[drawing_node(s->d, l, 1)].stacked)
		return stacked_label(s, l);
	for (int e = 0; e < 3; e++) {
		char *text = label_text(s->d, l, e);
		struct rect at;

		if (!text)
			return false;
		if (*text) {
			at = place_label(s, &p, e, label_size(text));
			put_label(s->f, text, &at, "middle");
		}
		free(text);
	}
	return true;
}

/* -------------------------------------------------------------------- links */

static bool put_link(const struct svg *s, uint32_t l)
{
	const struct choppy_file_link *link = &s->d->links[l].link;
	char *words = drawing_words(s->d, l);
	struct path p = path_of(s, l);

	if (!words)
		return false;
	fputs("<g class=\"link\">\n<title>", s->f);
	escaped(s->f, link->name);
	for (int e = 0; e < 2; e++) {
		const struct choppy_file_end *end = &link->end[e];

		fputs("\n", s->f);
		escaped(s->f, drawing_name(s->d, l, e));
		fprintf(s->f, "%s%s%s%s", *end->addr4 ? " " : "", end->addr4,
			*end->addr6 ? " " : "", end->addr6);
	}
	fputs(*words ? "\n" : "", s->f);
	escaped(s->f, words);
	fputs("</title>\n", s->f);
	put_path(s, &p);
	fputs("</g>\n", s->f);
	free(words);
	return true;
}

/* A link's nodes, the lower number first. */
struct pair {
	uint32_t a, b, link;
};

static int compare_pairs(const void *x, const void *y)
{
	const struct pair *p = x, *q = y;

	if (p->a != q->a)
		return p->a < q->a ? -1 : 1;
	if (p->b != q->b)
		return p->b < q->b ? -1 : 1;
	return p->link < q->link ? -1 : p->link > q->link;
}

/* Count the links that join the same nodes. */
static bool find_twins(struct svg *s)
{
	uint32_t n = s->d->nlinks;
	struct pair *pairs = calloc((size_t)n + 1, sizeof(*pairs));

	if (!pairs)
		return false;
	for (uint32_t l = 0; l < n; l++) {
		uint32_t a = drawing_node(s->d, l, 0), b = drawing_node(s->d, l, 1);

		pairs[l] = (struct pair){ a < b ? a : b, a < b ? b : a, l };
	}
	qsort(pairs, n, sizeof(*pairs), compare_pairs);
	for (uint32_t i = 0, k; i < n; i = k) {
		for (k = i; k < n && pairs[k].a == pairs[i].a && pairs[k].b == pairs[i].b; k++)
			s->twin[pairs[k].link] = k - i;
		for (uint32_t j = i; j < k; j++)
			s->twins[pairs[j].link] = k - i;
	}
	free(pairs);
	return true;
}

/* -------------------------------------------------------------------- whole */

/* The label of link @l in one: the least that it needs. */
static bool link_room(const struct drawing *d, uint32_t l, struct rect *ret)
{
	char *words = drawing_words(d, l);

	if (words)
		*ret = label_size(words);
	free(words);
	return words;
}

/* What stands at the ends of links at node @i, one below the other. */
static bool ends_room(const struct drawing *d, uint32_t i, int *ret)
{
	*ret = 0;
	for (uint32_t k = d->first[i]; k < d->first[i + 1] && *ret < GAP_Y_MAX; k++) {
		char *text = label_text(d, d->at[k] / 2, (int)(d->at[k] % 2));

		if (!text)
			return false;
		*ret += label_size(text).h;
		free(text);
	}
	return true;
}

/* A leaf is at least as wide as the label that stands above or beside it. */
static bool measure(const struct drawing *d, struct choppy_size *sizes, struct choppy_graph *how)
{
	for (uint32_t i = 0; i < d->nnodes; i++) {
		int w = box_width(d, i), ends;

		if (!ends_room(d, i, &ends))
			return false;
		how->gap_y = GAP_Y + ends > how->gap_y ? GAP_Y + ends : how->gap_y;
		sizes[i] = (struct choppy_size){ w, BOX_HEIGHT, SPINE + w + GAP_X, BOX_HEIGHT + 8 };
	}
	for (uint32_t e = 0; e < 2 * d->nlinks; e++) {
		uint32_t node = drawing_node(d, e / 2, e % 2);
		struct choppy_size *size = &sizes[node];
		struct rect r;

		if (!link_room(d, e / 2, &r))
			return false;
		how->gap_y = GAP_Y + 2 * r.h > how->gap_y ? GAP_Y + 2 * r.h : how->gap_y;
		if (d->first[node + 1] - d->first[node] > 1)
			continue;
		size->w = r.w > size->w ? r.w : size->w;
		size->stacked_w += r.w;
		size->stacked_h = r.h + 8 > size->stacked_h ? r.h + 8 : size->stacked_h;
	}
	return true;
}

/* Links within a layer have their labels between the nodes; and those over a long way need height.
 */
static bool measure_again(const struct drawing *d, struct choppy_size *sizes,
			  const struct choppy_spot *spots, int width, struct choppy_graph *how)
{
	int slope = width / SLOPE < GAP_Y_MAX ? width / SLOPE : GAP_Y_MAX;

	how->gap_y = slope > how->gap_y ? slope : how->gap_y;
	for (uint32_t e = 0; e < 2 * d->nlinks; e++) {
		uint32_t node = drawing_node(d, e / 2, e % 2);
		uint32_t other = drawing_node(d, e / 2, !(e % 2));
		struct rect r;
		int w;

		if (spots[node].layer != spots[other].layer)
			continue;
		if (!link_room(d, e / 2, &r))
			return false;
		w = box_width(d, node) + r.w + 2 * CELL - GAP_X;
		sizes[node].w = w > sizes[node].w ? w : sizes[node].w;
	}
	return true;
}

/* Twice: only then it is known which links are within a layer. */
static struct choppy_spot *lay_out(const struct drawing *d, int size[2])
{
	struct choppy_size *sizes = calloc(d->nnodes + 1, sizeof(*sizes));
	struct choppy_graph how = { .stack = STACK, .gap_x = GAP_X, .gap_y = GAP_Y, .arc = ARC };
	struct choppy_spot *first = NULL, *spots = NULL;

	if (sizes && measure(d, sizes, &how))
		first = drawing_layout(d, sizes, &how, size);
	if (first && measure_again(d, sizes, first, size[0], &how))
		spots = drawing_layout(d, sizes, &how, size);
	free(first);
	free(sizes);
	return spots;
}

static void put_head(const struct svg *s)
{
	fprintf(s->f,
		"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
		"<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" "
		"viewBox=\"%d %d %d %d\">\n<title>lab ",
		s->w, s->h, -MARGIN, -MARGIN, s->w, s->h);
	escaped(s->f, s->d->name);
	fprintf(s->f,
		"</title>\n<style>\n"
		"text { font: %dpx monospace; fill: #1b2733 }\n"
		"text.address { font-size: %dpx; fill: #5b6b7b }\n"
		"text.label { font-size: %dpx; fill: #9c2b10 }\n"
		"rect.label { fill: #fff; fill-opacity: 0.85 }\n"
		".node text { text-anchor: middle }\n"
		".shape { stroke: #37516b; stroke-width: 1.3 }\n"
		".runs .shape { stroke-width: 2.6 }\n"
		".host .shape { fill: #eef4fa }\n"
		".router .shape { fill: #fdf1dc }\n"
		".switch .shape { fill: #e6f4e8 }\n"
		".uplink .shape { fill: #fff; stroke-dasharray: 5 3 }\n"
		".link path { fill: none; stroke: #8596a8; stroke-width: 1.3 }\n"
		"</style>\n<rect x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" fill=\"#fff\"/>\n",
		NAME_SIZE, SMALL_SIZE, SMALL_SIZE, -MARGIN, -MARGIN, s->w, s->h);
}

static bool put_all(struct svg *s)
{
	bool done = true;

	put_head(s);
	for (uint32_t l = 0; done && l < s->d->nlinks; l++)
		done = put_link(s, l);
	for (uint32_t i = 0; i < s->d->nnodes; i++) {
		struct rect box = box_of(s, i);

		put_node(s, i);
		take(s, &box);
	}
	for (uint32_t l = 0; done && l < s->d->nlinks; l++)
		done = put_labels(s, l);
	fputs("</svg>\n", s->f);
	return done;
}

bool graph_svg(const struct drawing *d, FILE *f)
{
	struct svg s = { .d = d, .f = f };
	int size[2] = { 0, 0 };
	struct choppy_spot *spots = lay_out(d, size);
	bool done = false;

	s.spots = spots;
	s.w = size[0] + 2 * MARGIN;
	s.h = size[1] + 2 * MARGIN;
	s.columns = s.w / CELL + 1;
	s.rows = s.h / CELL + 1;
	s.taken = calloc((size_t)s.columns, (size_t)s.rows);
	s.twin = calloc((size_t)d->nlinks + 1, sizeof(*s.twin));
	s.twins = calloc((size_t)d->nlinks + 1, sizeof(*s.twins));
	if (spots && s.taken && s.twin && s.twins && find_twins(&s))
		done = put_all(&s);
	free(spots);
	free(s.taken);
	free(s.twin);
	free(s.twins);
	return done;
}
