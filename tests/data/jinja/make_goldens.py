#!/usr/bin/env python3
"""Writes goldens.json: small templates as transformers' Jinja environment renders them (transformers 5.12 with
Jinja 3.1.6 was used). Some are written by hand, a construct each; the others are expressions put together at random
from values, operators, filters, tests and methods. With a number as argument it writes so many random ones to standard
output instead, which `quern template` or the tests can be held against.
"""
import json
import pathlib
import random
import sys

from transformers.utils.chat_template_utils import _compile_jinja_template

CONTEXT = {
    "s": "Hello, <World> 'n \"you\"", "u": "Ünïcode ß 你好 👋\n\ttab", "e": "", "sp": "  padded \n text\n\n",
    "i": 7, "n": -3, "z": 0, "f": 2.5, "g": -0.125, "big": 1e20, "t": True, "no": False, "nil": None,
    "ab": "a b", "one": 1, "l": [3, 1, 2], "w": ["b", "A", "c", "a"], "x": [], "mix": [1, "a", None, True, 2.0, [1], {"k": 1}],
    "d": {"b": 1, "a": "x", "C": [1, 2]}, "nested": {"items": "member", "in": {"ner": [{"v": 5}, {"v": 6}]}},
    "m": [{"role": "user", "content": "Hi", "n": 2}, {"role": "assistant", "content": None, "n": 1},
          {"role": "user", "content": "Bye ", "n": 3, "extra": 0}],
}

WRITTEN = """
{{ s }}|{{ u }}|{{ nil }}|{{ t }}|{{ f }}|{{ big }}|{{ l }}|{{ d }}|{{ mix }}|{{ missing }}|{{ m[5] }}|{{ m[0].none }}
{{ (1, 'a') }}{{ (1,) }}{{ () }}{{ [[], {}] }}{{ {'a': none, 1: 2.0, true: 'x'} }}{{ 1, 2 }}
{{ 1e16 }} {{ 1e15 }} {{ 0.0001 }} {{ 0.00001 }} {{ 1.0 }} {{ 100000000000000000000.0 }} {{ 1e-7 }} {{ 3.14e2 }} {{ 1_000 }} {{ 0x1F }}
{{ 7 // 2 }} {{ -7 // 2 }} {{ 7 % -3 }} {{ -7 % 3 }} {{ 7 / 2 }} {{ 2 ** 10 }} {{ 2 ** -1 }} {{ 2 ** 3 ** 2 }} {{ -2 ** 2 }} {{ 7.5 // 2 }} {{ -7.5 % 2 }}
{{ 1 + 2 * 3 - 4 }} {{ '1' ~ 2 ~ none ~ [1] }} {{ 'ab' * 3 }} {{ [1] * 2 }} {{ true + 1 }} {{ 1 < 2 < 3 }} {{ 3 > 2 > 2 }} {{ 1 == 1.0 }} {{ 'a' < 'b' }} {{ [1, 2] < [1, 3] }}
{{ not true or true and false }} {{ 0 or 'x' }} {{ 'a' and '' }} {{ none or false }} {{ 1 if 0 }}| {{ 1 if 0 else 2 if 0 else 3 }}
{{ 'a' in 'abc' }} {{ 1 in [1, 2] }} {{ 'b' in d }} {{ 3 not in l }} {{ not 3 in l }} {{ 'x' in missing }} {{ missing == other }} {{ missing != 1 }} {{ missing == none }}
{{ s[0] }}{{ s[-1] }}{{ s[1:4] }}{{ s[::-1] }}{{ u[8:] }}{{ u[-2] }}{{ l[1:] }}{{ l[::-1] }}{{ l[:-1] }}{{ l[5:] }}{{ s[::3] }}{{ l[-9:2] }}
{{ d.b }}{{ d['a'] }}{{ d.missing }}{{ d.get('b') }}{{ d.get('q') }}{{ d.get('q', 4) }}{{ nested.items() | list }}{{ nested['items'] }}{{ nested['in'].ner[1].v }}{{ d['keys']() | list }}
{% for k, v in d.items() %}{{ k }}={{ v }}{{ ', ' if not loop.last }}{% endfor %}
{% for k in d %}{{ k }}{{ loop.index }}{{ loop.index0 }}{{ loop.revindex }}{{ loop.revindex0 }}{{ loop.first }}{{ loop.last }}{{ loop.length }}{{ loop.depth }}{{ loop.cycle('x', 'y') }} {% endfor %}
{% for a in l %}{{ loop.previtem }}<{{ a }}>{{ loop.nextitem }}{{ loop.changed(a > 1) }} {% else %}none{% endfor %}{% for a in x %}{{ a }}{% else %}none{% endfor %}{% for a in missing %}{{ a }}{% else %}nothing{% endfor %}
{% for a in l if a > 1 %}{{ loop.index }}/{{ loop.length }}:{{ a }} {% endfor %}{% for a in l if a > 5 %}x{% else %}no{% endfor %}
{% for a in range(10) %}{% if a == 3 %}{% continue %}{% endif %}{% if a > 5 %}{% break %}{% endif %}{{ a }}{% else %}all{% endfor %}
{% for a in [1] %}{% break %}{% else %}else after break{% endfor %}{% for a in [1, 2] %}{% if a == 2 %}{% break %}{% endif %}{% else %}never{% endfor %}
{% for a in [1, [2, [3]], 4] recursive %}{% if a is iterable %}({{ loop(a) }}){% else %}{{ a }}@{{ loop.depth0 }}{% endif %}{% endfor %}
{% set ns = namespace(a=1, b='x') %}{% for i in l %}{% set ns.a = ns.a + i %}{% set q = i %}{% endfor %}{{ ns.a }}{{ ns.b }}{{ q }}{{ ns.c }}{{ ns }}
{% set v = 1 %}{% for i in l %}{{ v }}{% set v = i %}{{ v }}{% endfor %}{{ v }}{% if true %}{% set v = 9 %}{% endif %}{{ v }}
{% set a, b = 1, 2 %}{{ a }}{{ b }}{% set (c, d2) = [3, 4] %}{{ c }}{{ d2 }}{% set e2 = 1, 2 %}{{ e2 }}
{% for q in [1] %}{{ i }}{% endfor %}{% set i = 1 %}{{ i }}
{% macro f() %}{{ i }}{% endmacro %}{{ f() }}{% set i = 2 %}{{ f() }}
{% if no %}{% set i = 5 %}{% endif %}{{ i }}{% for q in [1] %}{% if no %}{% set i = 6 %}{% endif %}{{ i }}{% endfor %}
{% macro f(a, b=2, c=b) %}{{ a }}-{{ b }}-{{ c }};{% endmacro %}{{ f(1) }}{{ f(1, 3) }}{{ f(b=5, a=4) }}{{ f() }}{{ f(1, c=7) }}
{% macro f(a) %}{{ a }}{{ varargs }}{{ kwargs }}{% endmacro %}{{ f(1, 2, 3, k=4) }}{{ f.name }}{{ f.arguments }}{{ f.catch_kwargs }}{{ f }}
{% macro f(a) %}{{ a }}{% endmacro %}{{ f(1, 2) }}
{% macro f(a) %}{{ a }}{% endmacro %}{{ f(z=2) }}
{% macro f() %}[{{ caller() }}]{% endmacro %}{% call f() %}body {{ i }}{% endcall %}
{% macro f() %}{{ caller('p', 2) }}{% endmacro %}{% call(a, b=1) f() %}{{ a }}{{ b }}{% endcall %}
{% macro f() %}x{% endmacro %}{% call f() %}y{% endcall %}
{% macro outer(n) %}{% if n %}{{ n }}{{ outer(n - 1) }}{% endif %}{% endmacro %}{{ outer(4) }}
{% set text %}a {{ i }} b{% endset %}{{ text | upper }}{% set text | trim | upper %}  q {% endset %}[{{ text }}]
{% filter upper | replace('A', '_') %}banana {{ s }}{% endfilter %}{% with a = 1, b = i %}{{ a }}{{ b }}{% endwith %}{{ a }}
{% generation %}text{% set g2 = 1 %}{% endgeneration %}{{ g2 }}{% raw %}{{ not }} {% x %}{% endraw %}{# comment {{ x }} #}{% print 1 + 1 %}
a\n  {% if t %}  \n  b\n  {% endif %}\n  c\n{{ i }}\n{#- x -#}  \n  d\n  {{- i -}}  \n  e {%- if t -%} \n f {%+ endif %}  \n g\n\n
  {%+ if t %}keep{%- endif +%}\n next{% if t +%}\n x{% endif %}\n\n{% raw -%}  r {%- endraw %}\n  {# c #}\n y\n
{{ x is defined }}{{ missing is defined }}{{ nil is none }}{{ s is string }}{{ d is mapping }}{{ l is sequence }}{{ s is sequence }}{{ d is sequence }}{{ missing is sequence }}{{ i is number }}{{ t is number }}{{ t is boolean }}{{ f is float }}{{ i is integer }}{{ t is integer }}{{ l is iterable }}{{ i is iterable }}{{ missing is iterable }}
{{ i is odd }}{{ i is even }}{{ i is divisibleby 7 }}{{ i is divisibleby(2) }}{{ 'a' is lower }}{{ 'A' is upper }}{{ i is eq 7 }}{{ i is ne 7 }}{{ i is gt 3 }}{{ i is lessthan(3) }}{{ 1 is in [1] }}{{ t is true }}{{ 1 is true }}{{ no is false }}{{ range is callable }}{{ s is callable }}{{ t is sameas true }}{{ i is not odd }}{{ not i is odd }}
{{ m | selectattr('role', 'equalto', 'user') | map(attribute='content') | list }}{{ m | rejectattr('content') | list | length }}{{ m | selectattr('extra', 'defined') | list }}{{ m | map(attribute='extra', default='D') | join(',') }}{{ l | select('gt', 1) | list }}{{ l | reject('odd') | list }}{{ mix | select | list }}
{{ m | map(attribute='role') | unique | list }}{{ w | sort }}{{ w | sort(case_sensitive=true) }}{{ w | sort(reverse=true) }}{{ m | sort(attribute='n') | map(attribute='n') | list }}{{ d | dictsort }}{{ d | dictsort(true) }}{{ d | dictsort(reverse=true) }}{{ {'a': 2, 'b': 1} | dictsort(by='value') }}
{{ m | groupby('role') | list | length }}{% for role, items in m | groupby('role') %}{{ role }}:{{ items | map(attribute='n') | join }} {% endfor %}{{ l | batch(2) | list }}{{ l | batch(2, 'x') | list }}{{ range(7) | slice(3) | list }}{{ range(7) | slice(3, 'f') | list }}
{{ l | sum }}{{ l | min }}{{ l | max }}{{ w | min }}{{ w | max }}{{ x | max }}{{ m | sum(attribute='n') }}{{ l | first }}{{ l | last }}{{ x | first }}{{ x | last }}{{ s | first }}{{ s | last }}{{ l | reverse | list }}{{ s | reverse }}{{ d | length }}{{ u | length }}{{ missing | length }}{{ d | list }}{{ s[:3] | list }}
{{ l | join }}{{ l | join(', ') }}{{ m | join('-', attribute='role') }}{{ missing | join(',') }}{{ d | join(',') }}{{ 'abc' | join('.') }}{{ mix | join('/') }}
{{ s | upper }}{{ s | lower }}{{ u | upper }}{{ u | lower }}{{ 'ß' | capitalize }}{{ s | title }}{{ "it's a-b (c) x_y" | title }}{{ sp | trim }}|{{ 'xxaxx' | trim('x') }}{{ i | upper }}{{ nil | upper }}{{ missing | upper }}
{{ s | replace('l', 'L') }}{{ s | replace('l', 'L', 1) }}{{ i | replace(7, 8) }}{{ 'aaa' | replace('', '-') }}{{ sp | indent }}|{{ sp | indent(2, true) }}|{{ sp | indent('> ', blank=true) }}|{{ '' | indent(2, first=true) }}|{{ 'a\n\nb' | indent(1) }}
{{ 'hello big world' | truncate(9) }}{{ 'hello big world' | truncate(9, leeway=0) }}{{ 'hello big world' | truncate(9, true, '..', 0) }}{{ 'a' | center(5) }}|{{ 'ab' | center(5) }}|{{ s | wordcount }}{{ 'a b&c/d' | urlencode }}{{ {'a b': 'c&'} | urlencode }}{{ '%s=%d %5.2f|%-4s|%04d|%x' | format('a', 3, 2.5, 'b', 42, 255) }}{{ '%(a)s' | format(a=1) }}
{{ '12' | int }}{{ 'x' | int }}{{ 'x' | int(5) }}{{ '0x1f' | int(0, 16) }}{{ 3.9 | int }}{{ '3.9' | int }}{{ nil | int }}{{ ' 4 ' | int }}{{ '1.5' | float }}{{ 'x' | float }}{{ 2 | float }}{{ 2.5 | round }}{{ 3.5 | round }}{{ 2.567 | round(2) }}{{ 2.1 | round(0, 'ceil') }}{{ 2.19 | round(1, 'floor') }}{{ 7 | round }}{{ -3 | abs }}{{ g | abs }}
{{ d | tojson }}{{ mix | tojson }}{{ u | tojson }}{{ u | tojson(ensure_ascii=true) }}{{ s | tojson }}{{ f | tojson }}{{ big | tojson }}{{ nil | tojson }}{{ (1, 2) | tojson }}{{ {1: 2, none: 3, true: 4, 2.5: 5} | tojson }}
{{ nested | tojson(indent=2) }}{{ nested | tojson(indent=0) }}{{ [] | tojson(indent=2) }}{{ {} | tojson(indent=2) }}{{ d | tojson(separators=(',', ':')) }}{{ d | tojson(indent=1, separators=(', ', ' = ')) }}{{ d | tojson(sort_keys=true) }}{{ l | tojson(indent='--') }}
{{ missing | tojson }}
{{ range(3) | tojson }}
{{ missing | default('D') }}{{ nil | default('D') }}{{ nil | default('D', true) }}{{ '' | d('E', boolean=true) }}{{ m[0].none | default(1) }}{{ missing | string }}|{{ i | string | length }}{{ d | items | list }}{{ missing | items | list }}{{ d | attr('b') }}|{{ nil | list }}
{{ nil | map(attribute='x') | list }}{{ no | select | list }}{{ 0 | selectattr('x') | list }}{{ 5 | first }}
{{ '<b>' | escape }}{{ '<b>' | e }}{{ '<b>' | safe }}{{ ('<i>' | safe) + '<b>' }}{{ '<b>' + ('<i>' | safe) }}{{ ('<i>' | safe) ~ '<b>' }}{{ '%s' | safe | format('<b>') }}{{ ('<i>' | safe).replace('i', '<') }}{{ '&<>' | forceescape }}{{ ['<', '<' | safe] | join('>') }}{{ ('<i>' | safe) * 2 + '<' }}{{ ['<i>' | safe] }}
{{ s.upper() }}{{ s.lower() }}{{ sp.strip() }}|{{ sp.lstrip() }}|{{ sp.rstrip() }}|{{ 'xya'.strip('xy') }}{{ 'a,b,,c'.split(',') }}{{ ' a  b '.split() }}{{ 'a b c'.split(' ', 1) }}{{ 'a b c'.rsplit(' ', 1) }}{{ ' a b c '.split(none, 1) }}{{ ' a b c '.rsplit(none, 1) }}{{ 'a\nb\r\nc\n'.splitlines() }}{{ 'a\nb'.splitlines(true) }}
{{ s.startswith('Hell') }}{{ s.endswith(('x', 'u"', '"')) }}{{ s.startswith('e', 1) }}{{ s.find('World') }}{{ s.find('q') }}{{ s.rfind('o') }}{{ s.index(',') }}{{ u.find('你') }}{{ s.count('l') }}{{ s.replace('o', '0') }}{{ s.replace('o', '0', 1) }}{{ 'a-b-c'.partition('-') }}{{ 'a-b-c'.rpartition('-') }}{{ 'abc'.partition('-') }}
{{ 'a'.join(['x', 'y']) }}{{ 'hello world'.title() }}{{ 'hELLO'.capitalize() }}{{ 'aBc'.swapcase() }}{{ 'a'.center(4, '*') }}{{ 'ab'.center(5, '*') }}{{ 'a'.ljust(3) }}|{{ 'a'.rjust(3, '.') }}{{ '-7'.zfill(4) }}{{ 'a\tb'.expandtabs(4) }}{{ 'prefix'.removeprefix('pre') }}{{ 'x.py'.removesuffix('.py') }}
{{ '12'.isdigit() }}{{ 'a1'.isalnum() }}{{ 'ab'.isalpha() }}{{ ' '.isspace() }}{{ ''.isspace() }}{{ 'AB'.isupper() }}{{ 'ab1'.islower() }}{{ 'Ab Cd'.istitle() }}{{ 'a_1'.isidentifier() }}{{ '½'.isnumeric() }}{{ 'é'.isascii() }}{{ ''.isascii() }}
{{ '{} {}'.format(1, 'a') }}{{ '{1}{0}'.format(1, 2) }}{{ '{a:>5}|{b:<5}|{c:^5}|'.format(a=1, b='x', c=2.5) }}{{ '{:.2f} {:05d} {:,} {:x} {:+d} {:%} {:e}'.format(2.567, 42, 1234567, 255, 3, 0.25, 12345.678) }}{{ '{!r}'.format('a') }}{{ '{0[a]} {0.b}'.format({'a': 1, 'b': 2}) }}{{ '{{}}'.format() }}{{ '{:{w}}'.format('a', w=4) }}|
{{ 'a%sb' % 1 }}{{ '%s %r' % ('x', 'y') }}{{ '%(k)s' % {'k': 2} }}{{ '%5.1f|%-6d|%+d|%%|%e|%g' % (1.25, 3, 4, 12345.678, 0.00001) }}{{ '%s' % [1] }}{{ '%c' % 'x' }}{{ '%o %X' % (8, 255) }}
{{ '%d' % 'x' }}
{{ '%s %s' % 'x' }}
{{ '%s' % ('x', 'y') }}
{{ l.index(1) }}{{ l.count(2) }}{{ l.append(4) }}
{% set _ = d.update({'q': 1}) %}{{ d }}
{{ d.pop('b') }}
{{ s.__class__ }}|{{ d.clear }}|{{ [].append }}|{{ s.nothing }}
{{ missing.member }}
{{ missing['member'] }}
{{ missing() }}
{{ missing + 1 }}
{{ 'a' + missing }}
{{ missing < 1 }}
{{ -missing }}
{{ missing[1:] }}
{{ 'a' + 1 }}
{{ 1 + 'a' }}
{{ nil.x }}|{{ nil.x is defined }}|{{ i.x }}|{{ i['x'] }}|{{ l['x'] }}|{{ l.x }}|{{ s[99] }}|{{ d[[1]] }}|
{{ nil.x.y }}
{{ 1 < 'a' }}
{{ none < 1 }}
{{ 1 in 'abc' }}
{{ 1 in 5 }}
{{ 1 / 0 }}
{{ 5 | length }}
{{ 5 | join }}
{{ {[]: 1} }}
{{ range(5) }}{{ range(2, 5) | list }}{{ range(5, 0, -2) | list }}{{ range(3)[1] }}{{ range(3) | length }}{{ range(0) | list }}{{ range(1, 4)[::-1] | list }}
{{ dict(a=1, b=2) }}{{ dict([('x', 1)]) }}{{ dict({'a': 1}, b=2) }}{{ dict(d, b='new') }}{{ namespace(x=1).x }}{{ namespace({'y': 2}).y }}
{% set c = cycler('a', 'b') %}{{ c.next() }}{{ c.next() }}{{ c.next() }}{{ c.current }}{% set j = joiner('|') %}{{ j() }}{{ j() }}{% set _ = c.reset() %}{{ c.next() }}
{{ raise_exception('stop') }}
{{ u % l }}{{ u % missing }}{{ ('<b' | safe) | list }}{{ range(7)[1:5][::2] }}{{ w | truncate(4) }}
{{ missing | int }}
{{ missing | float }}
{{ d | indent }}
{{ nil | truncate }}
{{ strftime_now }}
{{ 'it''s' 'joined' "two" }}{{ 'a\\'b\\x41\\u4f60\\n\\q\\101' }}{{ "tab\\there" }}{{ ['a\\'b', "c\\"d", 'e\\'"f', 'g\\\\h', '\\x00\\x7f\\u200b'] }}
{{ m[0]['role'] }}{{ m[0]['content'][0] }}{{ m[-1].content.strip() }}{{ (m | first).role }}{{ m[1:] | map(attribute='role') | list }}{{ m[0].role == 'user' and m[1].content is none }}{{ l.0 }}{{ nested['in']['ner'].0.v }}
{{ foo | nothing }}
{% if no %}{{ foo | nothing }}{% endif %}fine{{ (foo | nothing) if no else 'too' }}
{% if no %}{% for a in l %}{{ a | nothing }}{% endfor %}{% endif %}
{% if t %}{{ foo | nothing }}{% endif %}
{{ foo is nothing }}
{% include 'x' %}
{% set x.y = 1 %}
{% break %}
{{ 1 2 }}
{{ a. }}
{% endif %}
{{ [1, 2 }}
{{ 'a' if t else }}
{{ x is defined is none }}
{% if i > 5 and s %}A{% elif nil %}B{% else %}C{% endif %}{% if x %}A{% elif no %}B{% elif 1 %}C{% endif %}{% if t: %}colon{% endif %}
{{ d.items() }}{{ d.keys() }}{{ d.values() }}{{ d.items() | length }}{{ 'b' in d.keys() }}{{ d.items() | first }}
{{ (l | map('string') | list) + ['x'] }}{{ w | map('upper') | join }}{{ w | map('replace', 'a', 'z') | list }}{{ [l, w] | map('first') | list }}{{ [[1, 2], [3]] | sum(start=[]) }}{{ l | map('float') | list }}
{% set g = l | select('gt', 1) %}{{ g | list }}{{ g | list }}{% if g %}true{% endif %}
{{ (l | select('gt', 1)) | length }}
{{ (l | select('gt', 1))[0] }}|
{{ l | last }}{{ (l | select) | last }}
{% for a, b in [[1, 2], 'xy'] %}{{ a }}{{ b }} {% endfor %}{% for a, (b, c) in [[1, [2, 3]]] %}{{ a }}{{ b }}{{ c }}{% endfor %}
{% for a, b in [[1]] %}{{ a }}{% endfor %}
{% for c in u[:4] %}{{ c }}.{% endfor %}{% for a in 5 %}{% endfor %}
{{ u.upper() }}{{ 'ΑΣ ΣΑΣ'.lower() }}{{ 'ŉ ǆ ﬁ'.upper() }}{{ 'İ'.lower() }}{{ u | capitalize }}{{ u.title() }}{{ u[::-1] }}{{ u.split() }}
{{ 2.0 * 3 }}{{ 10 / 5 }}{{ 1.5 // 0.5 }}{{ 3 * 1.1 }}{{ 0.1 + 0.2 }}{{ 1e300 * 1e10 }}{{ -1e300 * 1e10 }}{{ 5 % 2.5 }}{{ -0.0 }}{{ 9007199254740993.0 }}
{% macro a() %}{% set ns.n = ns.n + 1 %}{{ ns.n }}{% endmacro %}{% set ns = namespace(n=0) %}{{ a() }}{{ a() }}{% for m2 in m if not ns.stop %}{{ m2.role }}{% set ns.stop = true %}{% endfor %}
{% set f2 = 'a' %}{% macro f2() %}m{% endmacro %}{{ f2() }}{{ loop }}|{{ caller }}|{{ varargs }}
{% block title %}inside {{ i }}{% endblock title %}{% set late = 1 %}{% with %}{% set late = 2 %}{{ late }}{% endwith %}{{ late }}
""".strip("\n").split("\n")

# Names alone: what is constant Jinja computes before, and a slice of a constant number then is undefined.
VALUES = ["s", "u", "e", "sp", "i", "n", "z", "f", "g", "t", "no", "nil", "l", "w", "x", "mix", "d", "nested", "m",
          "missing", "m[0]", "m[1].content", "ab", "one", "d.C", "nested['in']", "range(i)"]
FILTERS = ["upper", "lower", "trim", "length", "list", "first", "last", "join", "join('-')", "string", "tojson", "sort",
           "int", "float", "abs", "round", "reverse", "default('D')", "default('D', true)", "replace('a', 'B')", "sum",
           "min", "max", "unique | list", "dictsort", "items | list", "map('string') | list", "select | list", "title",
           "reject('none') | list", "capitalize", "indent(2)", "batch(2) | list", "tojson(indent=1)", "safe", "escape",
           "map(attribute='role') | list", "selectattr('role') | list", "wordcount", "truncate(5)", "center(9)", "e"]
TESTS = ["defined", "none", "string", "number", "mapping", "iterable", "sequence", "boolean", "integer", "float",
         "odd", "even", "true", "false", "eq 1", "in [1, 'b', 2.5]", "lower", "upper", "callable", "divisibleby 2"]
METHODS = ["upper()", "strip()", "split()", "split(' ')", "get('a')", "items() | list", "keys() | list", "role", "a",
           "startswith('H')", "endswith('t')", "find('o')", "replace('o', '')", "count(1)", "index(1)", "title()",
           "lstrip()", "rstrip('\\n')", "splitlines()", "join(['1', '2'])", "isdigit()", "values() | list"]
OPERATORS = ["+", "-", "*", "/", "//", "%", "~", "==", "!=", "<", "<=", ">", ">=", "and", "or", "in", "not in"]
INDICES = ["0", "-1", "1:", ":2", "::-1", "'a'", "'role'", "10", "1:-1", "::2", "i", "nil"]


def expression(rng, depth):
    if depth == 0:
        return rng.choice(VALUES)
    kind = rng.randrange(8)
    inner = expression(rng, depth - 1)
    if kind <= 1:
        return f"({inner}) | {rng.choice(FILTERS)}"
    if kind == 2:
        return f"({inner}) is {rng.choice(['', 'not '])}{rng.choice(TESTS)}"
    if kind == 3:
        return f"({inner}).{rng.choice(METHODS)}"
    if kind <= 5:
        return f"({inner}) {rng.choice(OPERATORS)} ({expression(rng, depth - 1)})"
    if kind == 6:
        return f"({inner})[{rng.choice(INDICES)}]"
    return f"({inner}) if {expression(rng, depth - 1)} else {rng.choice(VALUES)}"


def outcome(template):
    context = json.loads(json.dumps(CONTEXT))
    try:
        text = _compile_jinja_template(template).render(**context, tools=None, documents=None)
        text.encode("utf-8")
        return {"template": template, "output": text}
    except Exception as error:  # whatever it is, the template is refused
        return {"template": template, "error": type(error).__name__}


def is_of_this_process(case):
    """Whether it prints where something lies in memory."""
    return " at 0x" in case.get("output", "").lower()


def random_cases(count, seed):
    rng = random.Random(seed)
    cases = []
    while len(cases) < count:
        case = outcome("{{ " + expression(rng, rng.choice([1, 2, 2, 3])) + " }}")
        refused = "error" in case and rng.random() < 0.7
        if not refused and not is_of_this_process(case):
            cases.append(case)
    return cases


def main():
    if len(sys.argv) > 1:
        cases = random_cases(int(sys.argv[1]), int(sys.argv[2]))
        print(json.dumps([{"case": case["template"], **case, "context": CONTEXT} for case in cases]))
        return
    written = [outcome(template.replace("\\n", "\n") if not template.startswith("{{ 'it''s'") else
                       template.replace("\\\\", "\\")) for template in WRITTEN]
    cases = [case for case in written if not is_of_this_process(case)] + random_cases(300, 1)
    path = pathlib.Path(__file__).with_name("goldens.json")
    lines = ",\n".join(" " + json.dumps(case, ensure_ascii=False) for case in cases)
    path.write_text(f'{{"context": {json.dumps(CONTEXT, ensure_ascii=False)},\n"cases": [\n{lines}\n]}}\n',
                    encoding="utf-8")


main()
