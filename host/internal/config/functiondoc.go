package config

import "strings"

// FunctionDoc documents one function of the language.
type FunctionDoc struct {
	Name string `json:"name"`
	Call string `json:"call"` // how it is called
	Doc  string `json:"doc"`
}

// Functions lists all functions of the language by name.
func Functions() []FunctionDoc {
	docs := make([]FunctionDoc, 0, len(functionDocs))
	for _, d := range functionDocs {
		name, _, _ := strings.Cut(d[0], "(")
		docs = append(docs, FunctionDoc{name, d[0], d[1]})
	}
	return docs
}

// functionDocs says how each function is called and what it gives, by name.
var functionDocs = [][2]string{
	{"abs(number)", "The number without its sign."},
	{"base64decode(text)", "The UTF-8 text whose base64 form is given."},
	{"base64encode(text)", "The base64 form of a text."},
	{"can(expression)", "Whether the expression can be evaluated."},
	{"ceil(number)", "The next whole number, upwards."},
	{"chomp(text)", "The text without newlines at its end."},
	{"coalesce(values…)", "The first value that is not null."},
	{"compact(list)", "The list of texts without empty ones."},
	{"concat(lists…)", "One list of all elements."},
	{"contains(list, value)", "Whether the list or set holds the value."},
	{"csvdecode(text)", "A list of objects; the first line names the attributes."},
	{"distinct(list)", "The list without repetitions."},
	{"element(list, index)", "The element at an index, which wraps round."},
	{"env(name), env(name, default)", "An environment variable of the host; null when it is not set and there is no default. The value is not sensitive."},
	{"file(path)", "The UTF-8 text of a file of at most 1 MiB."},
	{"flatten(list)", "One list of the elements of all lists in it, however deep."},
	{"floor(number)", "The next whole number, downwards."},
	{"format(form, values…)", "A text made as printf does: %s, %d, %q, %05.2f, …"},
	{"formatdate(form, time)", "An RFC 3339 time in another form, such as \"YYYY-MM-DD\"."},
	{"join(separator, lists…)", "One text of all elements."},
	{"jsondecode(text)", "The value of a JSON text."},
	{"jsonencode(value)", "A value as JSON."},
	{"keys(map)", "The keys, sorted."},
	{"length(value)", "How many elements a collection or characters a text has."},
	{"lookup(map, key, default)", "The element with the key, or the default."},
	{"lower(text)", "The text in small letters."},
	{"max(numbers…)", "The greatest."},
	{"merge(maps…)", "One map of all; the last element with a key wins."},
	{"min(numbers…)", "The least."},
	{"parseint(text, base)", "The number that a text is in a base from 2 to 62."},
	{"range(end), range(start, end), range(start, end, step)", "A list of numbers, at most 1024."},
	{"regex(pattern, text)", "What matches first: a text, or the groups as a list or object. RE2 syntax."},
	{"regexall(pattern, text)", "A list of all matches."},
	{"regexreplace(text, pattern, new)", "The text with every match replaced; $1 stands for a group."},
	{"replace(text, old, new)", "The text with every old part replaced."},
	{"reverse(list)", "The list backwards."},
	{"secret(source)", "A sensitive text from \"env:NAME\", \"file:path\" or \"credential:name\" (systemd's LoadCredential=), without the newline at its end."},
	{"sensitive(value)", "The value, shown nowhere."},
	{"setintersection(sets…)", "The elements that all sets hold."},
	{"setsubtract(set, other)", "The elements of a set that another does not hold."},
	{"setunion(sets…)", "The elements of all sets."},
	{"slice(list, start, end)", "The elements from start to before end."},
	{"sort(list)", "The texts in order."},
	{"split(separator, text)", "The list of the parts of a text."},
	{"strlen(text)", "How many characters a text has."},
	{"substr(text, offset, length)", "A part of a text; length -1 is the rest."},
	{"templatefile(path, values)", "A file as a template in which the names in values may be used."},
	{"timeadd(time, duration)", "An RFC 3339 time and a duration later."},
	{"title(text)", "The text with each word beginning with a capital."},
	{"tobool(value)", "The value as bool."},
	{"tolist(value)", "The value as list."},
	{"tomap(value)", "The value as map."},
	{"tonumber(value)", "The value as number."},
	{"toset(value)", "The value as set."},
	{"tostring(value)", "The value as string."},
	{"trim(text, characters)", "The text without any of the characters at its ends."},
	{"trimprefix(text, prefix)", "The text without a prefix."},
	{"trimspace(text)", "The text without space at its ends."},
	{"trimsuffix(text, suffix)", "The text without a suffix."},
	{"try(expressions…)", "The first expression that can be evaluated."},
	{"upper(text)", "The text in capitals."},
	{"values(map)", "The elements in the order of their keys."},
	{"yamldecode(text)", "The value of a YAML text."},
	{"yamlencode(value)", "A value as YAML."},
	{"zipmap(keys, values)", "A map of two lists."},
}
