// Command gen writes zbuiltin.go of package policy from the YAML policies in
// ../builtin. It needs no network. Run it with `go generate` in report/policy.
package main

import (
	"bytes"
	"fmt"
	"go/format"
	"log"
	"os"
	"path/filepath"
	"reflect"
	"sort"
	"strings"

	"pfsight/report/policy"
)

func main() {
	text, err := Generate("builtin")
	if err != nil {
		log.Fatal(err)
	}
	if err := os.WriteFile("zbuiltin.go", text, 0o644); err != nil {
		log.Fatal(err)
	}
}

// Generate returns the text of zbuiltin.go for the YAML files in dir.
func Generate(dir string) ([]byte, error) {
	paths, err := filepath.Glob(filepath.Join(dir, "*.yaml"))
	if err != nil {
		return nil, err
	}
	sort.Strings(paths)
	var b bytes.Buffer
	b.WriteString("// Code generated from builtin/*.yaml by gen. DO NOT EDIT.\n\npackage policy\n\nimport \"pfsight/parse/iana\"\n\nvar builtin = []*Policy{\n")
	for _, path := range paths {
		f, err := os.Open(path)
		if err != nil {
			return nil, err
		}
		p, err := policy.ReadYAML(f)
		f.Close()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		if p.Name+".yaml" != filepath.Base(path) {
			return nil, fmt.Errorf("%s: its name is %s", path, p.Name)
		}
		b.WriteString("{\n")
		fields(&b, reflect.ValueOf(*p))
		b.WriteString("},\n")
	}
	b.WriteString("}\n")
	return format.Source(b.Bytes())
}

// fields writes the non-zero fields of a struct.
func fields(b *bytes.Buffer, v reflect.Value) {
	for i := range v.NumField() {
		f, name := v.Field(i), v.Type().Field(i).Name
		if f.IsZero() {
			continue
		}
		fmt.Fprintf(b, "%s: ", name)
		switch f.Kind() {
		case reflect.Struct:
			fmt.Fprintf(b, "%s{\n", name)
			fields(b, f)
			b.WriteString("}")
		case reflect.Slice:
			fmt.Fprintf(b, "[]%s{", f.Type().Elem())
			for j := range f.Len() {
				fmt.Fprintf(b, "0x%04x,", f.Index(j).Uint())
			}
			b.WriteString("}")
		case reflect.String:
			fmt.Fprintf(b, "%q", f.String())
		case reflect.Bool, reflect.Int:
			fmt.Fprint(b, f.Interface())
		case reflect.Uint8:
			fmt.Fprint(b, f.Uint()) // an enumeration: the generated text holds its number, so its order is fixed
		default:
			panic("gen: " + name + " is a " + strings.ToLower(f.Kind().String()))
		}
		b.WriteString(",\n")
	}
}
