-- An authentication provider that the file of a test names.

module:require "lab_any";
