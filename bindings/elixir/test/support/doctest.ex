defmodule LiteStash.Doctest do
  @moduledoc false
  # What doctests and tests need.

  @doc "A new directory, removed when the virtual machine ends."
  def dir do
    path = Path.join(System.tmp_dir!(), "litestash-#{System.pid()}-#{System.unique_integer([:positive])}")
    File.mkdir_p!(path)
    System.at_exit(fn _ -> File.rm_rf!(path) end)
    path
  end
end
