/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A lab drawn with letters. Each layer is a line. What goes down from a node is one bus: a line
 * down, a line across, a line down to each. Below a layer the buses of its nodes, and the links
 * within it that are not between neighbours, need tracks of their own: a bus is on a track where
 * it meets no other. Where two share a column, as one comes down there and another goes on down to
 * a node, the first is above (channel routing). If that goes round in a circle, as if the width is
 * too small, there is no picture.
 *
 *	      [r1]
 *	   .---'-----.        ' goes up, . down, + both;
 *	  web       [r2]      | within a line across only passes
 */
#include "graph.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define WIDTH_MAX 256
#define NODES_MAX 64
#define LINES_MAX 48
#define NONE (-1)

/* A bus, or a link within a layer. */
struct net {
	int left, right;
	int track;
};

/* What is between two layers, by column: the net that goes up or down there, or NONE. */
struct channel {
	int up[WIDTH_MAX], down[WIDTH_MAX];
	struct net nets[WIDTH_MAX];
	int nnets, ntracks;
};

struct picture {
	const struct drawing *d;
	const struct choppy_spot *spots;
	int width, levels;
	int *column; /* by end: where the link leaves its node, or NONE for one within the line */
	char lines[LINES_MAX][WIDTH_MAX + 1];
	int nlines;
};

/* A link at its node, on the way to a column. */
struct port {
	int key; /* the middle of the other node: ports are in its order */
	uint32_t end;
};

static int level(const struct picture *p, uint32_t node)
{
	return p->spots[node].y / 2; /* a line for the nodes, and one between */
}

static int end_level(const struct picture *p, uint32_t end)
{
	return level(p, drawing_node(p->d, end / 2, end % 2));
}

static int middle(const struct picture *p, uint32_t node)
{
	return p->spots[node].x + (p->spots[node].w - 1) / 2;
}

static int compare_ports(const void *a, const void *b)
{
	const struct port *x = a, *y = b;

	if (x->key != y->key)
		return x->key < y->key ? -1 : 1;
	return x->end < y->end ? -1 : x->end > y->end;
}

/* Put @n ports side by side in the middle of @node. False: they do not fit. */
static bool place_ports(struct picture *p, uint32_t node, struct port *ports, int n, int *ret)
{
	int step = 2 * n - 1 <= p->spots[node].w ? 2 : 1;
	int at = middle(p, node) - step * (n - 1) / 2;

	if (n > p->spots[node].w)
		return false;
	qsort(ports, (size_t)n, sizeof(*ports), compare_ports);
	for (int i = 0; i < n; i++)
		ret[i] = at + i * step;
	return true;
}

/* Whether a link is drawn within the line of its nodes: between neighbours, and once. */
static bool is_bar(const struct picture *p, uint32_t l)
{
	const struct drawing *d = p->d;
	uint32_t a = drawing_node(d, l, 0), b = drawing_node(d, l, 1);

	if (level(p, a) != level(p, b) || (p->spots[a].place + 1 != p->spots[b].place &&
					   p->spots[b].place + 1 != p->spots[a].place))
		return false;
	for (uint32_t i = d->first[a]; i < d->first[a + 1]; i++)
		if (d->at[i] / 2 < l && drawing_node(d, d->at[i] / 2, !(d->at[i] % 2)) == b)
			return false;
	return true;
}

/* Where links leave @node for the layer above. */
static bool place_top(struct picture *p, uint32_t node)
{
	struct port ports[WIDTH_MAX];
	int columns[WIDTH_MAX], n = 0;

	for (uint32_t i = p->d->first[node]; i < p->d->first[node + 1]; i++) {
		uint32_t far = p->d->at[i] ^ 1;

		if (end_level(p, far) < level(p, node) && n < WIDTH_MAX)
			ports[n++] = (struct port){ middle(p, drawing_node(p->d, far / 2, far % 2)),
						    p->d->at[i] };
	}
	if (!place_ports(p, node, ports, n, columns))
		return false;
	for (int i = 0; i < n; i++)
		p->column[ports[i].end] = columns[i];
	return true;
}

/* A bus that comes down beside one of its nodes comes down right above it. */
static int snap(const struct picture *p, uint32_t node, int column)
{
	const struct choppy_spot *s = &p->spots[node];

	for (uint32_t i = p->d->first[node]; i < p->d->first[node + 1]; i++) {
		int below = p->column[p->d->at[i] ^ 1];

		if (end_level(p, p->d->at[i] ^ 1) > level(p, node) && abs(below - column) <= 1 &&
		    below >= s->x && below < s->x + s->w)
			return below;
	}
	return column;
}

/* Where its bus leaves @node, and links within its layer. */
static bool place_bottom(struct picture *p, uint32_t node)
{
	struct port ports[WIDTH_MAX];
	int columns[WIDTH_MAX], n = 0, bus = NONE;

	for (uint32_t i = p->d->first[node]; i < p->d->first[node + 1]; i++) {
		uint32_t end = p->d->at[i], far = end ^ 1;
		bool down = end_level(p, far) > level(p, node);

		if (end_level(p, far) < level(p, node) || (!down && is_bar(p, end / 2)) ||
		    (down && bus != NONE) || n == WIDTH_MAX)
			continue;
		if (down)
			bus = (int)end;
		ports[n++] = (struct port){ down ? middle(p, node)
						 : middle(p, drawing_node(p->d, far / 2, far % 2)),
					    end };
	}
	if (!place_ports(p, node, ports, n, columns))
		return false;
	for (int i = 0; i < n; i++)
		p->column[ports[i].end] = columns[i];
	if (bus == NONE)
		return true;
	bus = n == 1 ? snap(p, node, p->column[bus]) : p->column[bus];
	for (uint32_t i = p->d->first[node]; i < p->d->first[node + 1]; i++)
		if (end_level(p, p->d->at[i] ^ 1) > level(p, node))
			p->column[p->d->at[i]] = bus;
	return true;
}

/* ----------------------------------------------------------------- channels */

static void widen(struct net *n, int column)
{
	n->left = column < n->left ? column : n->left;
	n->right = column > n->right ? column : n->right;
}

/* The nets below @node: its bus, and the links to others of its layer that come behind it. */
static void add_nets(struct picture *p, struct channel *c, uint32_t node)
{
	int bus = NONE;

	for (uint32_t i = p->d->first[node]; i < p->d->first[node + 1]; i++) {
		uint32_t end = p->d->at[i], far = end ^ 1;
		int here = p->column[end], there = p->column[far];
		bool down = end_level(p, far) > level(p, node);

		if (here == NONE || end_level(p, far) < level(p, node) || (!down && end % 2))
			continue;
		if (!down || bus == NONE) {
			c->nets[c->nnets] = (struct net){ here, here, NONE };
			c->up[here] = c->nnets++;
		}
		if (down)
			bus = c->up[here];
		widen(&c->nets[c->up[here]], there);
		*(down ? &c->down[there] : &c->up[there]) = c->up[here];
	}
}

/* Whether net @n can be on @track, which has been filled up to there. */
static bool fits(const struct picture *p, const struct channel *c, int n, int track)
{
	for (int i = 0; i < c->nnets; i++)
		if (c->nets[i].track == track && c->nets[i].left <= c->nets[n].right + 1 &&
		    c->nets[n].left <= c->nets[i].right + 1)
			return false;
	for (int x = 0; x < p->width; x++) {
		int above = c->up[x];

		if (c->down[x] == n && above != NONE && above != n &&
		    (c->nets[above].track == NONE || c->nets[above].track == track))
			return false;
	}
	return true;
}

/* False: it goes round in a circle. */
static bool route(const struct picture *p, struct channel *c)
{
	int left = c->nnets, placed = 1;

	/* A line straight down needs no track, and is in nobody's way. */
	for (int i = 0; i < c->nnets; i++)
		left -= c->nets[i].left == c->nets[i].right;
	/* Above the first track there is a line, so that no node seems to stand on one. */
	for (c->ntracks = left > 0; left && placed; c->ntracks++) {
		placed = 0;
		for (int i = 0; i < c->nnets; i++) {
			if (c->nets[i].track != NONE || c->nets[i].left == c->nets[i].right ||
			    !fits(p, c, i, c->ntracks))
				continue;
			c->nets[i].track = c->ntracks;
			placed++;
		}
		left -= placed;
	}
	return !left;
}

/* What is at column @x of track @y. */
static char letter(const struct channel *c, int x, int y)
{
	const struct net *up = c->up[x] == NONE ? NULL : &c->nets[c->up[x]];
	const struct net *down = c->down[x] == NONE ? NULL : &c->nets[c->down[x]];
	bool comes = up && up->track == y, goes = down && down->track == y;

	if (comes || goes)
		return comes && goes ? '+' : comes ? '\'' : '.';
	if ((up && (up->track > y || up->track == NONE)) || (down && down->track < y))
		return '|';
	for (int i = 0; i < c->nnets; i++)
		if (c->nets[i].track == y && c->nets[i].left < x && x < c->nets[i].right)
			return '-';
	return ' ';
}

/* ------------------------------------------------------------------- lines */

/* The first and the last column that a node takes: of its text, or of links that leave beside it.
 */
struct extent {
	int text, n; /* where its text begins, and its length */
	int left, right;
};

static struct extent extent_of(const struct picture *p, uint32_t node)
{
	const struct choppy_spot *s = &p->spots[node];
	struct extent e;
	char text[WIDTH_MAX];

	graph_node_text(text, sizeof(text), p->d, node);
	e.n = (int)strlen(text);
	e.left = e.text = s->x + (s->w - e.n) / 2;
	e.right = e.text + e.n - 1;
	for (uint32_t i = p->d->first[node]; i < p->d->first[node + 1]; i++) {
		int x = p->column[p->d->at[i]];

		if (x == NONE)
			continue;
		e.left = x < e.left ? x : e.left;
		e.right = x > e.right ? x : e.right;
	}
	return e;
}

/* A node, with links that leave it beside its text: .--a--. */
static void draw_node(const struct picture *p, uint32_t node, char *line)
{
	struct extent e = extent_of(p, node);
	char text[WIDTH_MAX];

	for (int x = e.left; x <= e.right; x++)
		line[x] = '-';
	for (uint32_t i = p->d->first[node]; i < p->d->first[node + 1]; i++) {
		int x = p->column[p->d->at[i]];
		bool up = end_level(p, p->d->at[i] ^ 1) < level(p, node);

		if (x != NONE)
			line[x] = line[x] == (up ? '.' : '\'') ? '+' : up ? '\'' : '.';
	}
	graph_node_text(text, sizeof(text), p->d, node);
	memcpy(line + e.text, text, (size_t)e.n);
}

static void draw_nodes(struct picture *p, int at)
{
	char *line = p->lines[p->nlines++];

	for (uint32_t i = 0; i < p->d->nnodes; i++)
		if (level(p, i) == at)
			draw_node(p, i, line);
	for (uint32_t l = 0; l < p->d->nlinks; l++) {
		uint32_t a = drawing_node(p->d, l, 0), b = drawing_node(p->d, l, 1);
		bool turned = p->spots[a].x > p->spots[b].x;

		if (level(p, a) != at || !is_bar(p, l))
			continue;
		for (int x = extent_of(p, turned ? b : a).right + 2;
		     x < extent_of(p, turned ? a : b).left - 1; x++)
			line[x] = '-';
	}
}

/* What is below the nodes of level @at. Returns as graph_picture(). */
static int draw_channel(struct picture *p, int at)
{
	struct channel *c = malloc(sizeof(*c));
	int lines;
	bool done;

	if (!c)
		return -ENOMEM;
	memset(c->up, NONE, sizeof(c->up));
	memset(c->down, NONE, sizeof(c->down));
	c->nnets = 0;
	for (uint32_t i = 0; i < p->d->nnodes; i++)
		if (level(p, i) == at)
			add_nets(p, c, i);
	done = route(p, c);
	lines = c->ntracks ? c->ntracks : at + 1 < p->levels;
	done &= p->nlines + lines + 1 < LINES_MAX;
	for (int y = 0; done && y < lines; y++, p->nlines++)
		for (int x = 0; x < p->width; x++)
			p->lines[p->nlines][x] = letter(c, x, y);
	free(c);
	return done;
}

static bool measure(struct picture *p, int columns)
{
	if (p->d->nnodes > NODES_MAX || !p->d->nlinks)
		return false;
	for (uint32_t i = 0; i < p->d->nnodes; i++) {
		const struct choppy_spot *s = &p->spots[i];

		p->width = s->x + s->w > p->width ? s->x + s->w : p->width;
		p->levels = level(p, i) + 1 > p->levels ? level(p, i) + 1 : p->levels;
	}
	return p->width <= columns && columns <= WIDTH_MAX && p->levels < LINES_MAX;
}

static int draw(struct picture *p)
{
	int r = 1;

	memset(p->column, NONE, 2 * sizeof(*p->column) * p->d->nlinks);
	for (uint32_t i = 0; i < p->d->nnodes; i++)
		if (!place_top(p, i))
			return 0;
	for (uint32_t i = 0; i < p->d->nnodes; i++)
		if (!place_bottom(p, i))
			return 0;
	for (int l = 0; l < LINES_MAX; l++)
		memset(p->lines[l], ' ', WIDTH_MAX);
	for (int at = 0; r == 1 && at < p->levels; at++) {
		draw_nodes(p, at);
		r = draw_channel(p, at);
	}
	return r;
}

int graph_picture(const struct drawing *d, const struct choppy_spot *spots, FILE *f, int columns)
{
	struct picture *p = calloc(1, sizeof(*p));
	int r = p ? 0 : -ENOMEM;

	if (p) {
		p->d = d;
		p->spots = spots;
		p->column = calloc(2 * (size_t)d->nlinks + 1, sizeof(*p->column));
		r = p->column ? 0 : -ENOMEM;
	}
	if (r == 0 && measure(p, columns))
		r = draw(p);
	for (int l = 0; r == 1 && l < p->nlines; l++) {
		int n = WIDTH_MAX;

		while (n > 0 && p->lines[l][n - 1] == ' ')
			n--;
		fprintf(f, "%s%.*s\n", l ? "" : "\n", n, p->lines[l]);
	}
	if (p)
		free(p->column);
	free(p);
	return r;
}
