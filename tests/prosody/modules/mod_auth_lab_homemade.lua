-- An authentication provider of which nobody has heard.

module:require "lab_any";
