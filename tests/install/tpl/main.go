// Renders a template of docker-jitsi-meet's images as the images do: Go's templates with the functions of sprig, and the
// environment as .Env.
package main

import (
	"os"
	"path/filepath"
	"strings"
	"text/template"

	"github.com/Masterminds/sprig/v3"
)

func main() {
	environment := map[string]string{}
	for _, variable := range os.Environ() {
		name, value, _ := strings.Cut(variable, "=")
		environment[name] = value
	}
	functions := sprig.TxtFuncMap()
	functions["toBool"] = func(value string) bool {
		switch strings.ToLower(value) {
		case "1", "t", "true", "y", "yes", "on":
			return true
		}
		return false
	}
	file := os.Args[1]
	parsed := template.Must(template.New(filepath.Base(file)).Funcs(functions).ParseFiles(file))
	if err := parsed.Execute(os.Stdout, map[string]any{"Env": environment}); err != nil {
		panic(err)
	}
}
