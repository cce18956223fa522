defmodule Mix.Tasks.Compile.LitestashNative do
  @moduledoc false
  # A compiler has to be there before the project is compiled, so it is defined here.
  use Mix.Task.Compiler

  @impl true
  def run(_arguments) do
    case prebuilt() || build() do
      {:error, message} -> {:error, [diagnostic(message)]}
      files -> install(files)
    end
  end

  @impl true
  def clean, do: File.rm_rf!(destination())

  # Programs that were built elsewhere: a folder with the files of `names/0`.
  defp prebuilt do
    with folder when is_binary(folder) <- System.get_env("LITESTASH_NATIVE_DIR") || packaged() do
      for {name, installed} <- names(), do: {Path.join(folder, name), installed}
    end
  end

  # A package may hold files for several platforms, with their SHA-256 in CHECKSUMS.
  defp packaged do
    folder = Path.join([__DIR__, "precompiled", target()])
    checksums = Path.join(__DIR__, "precompiled/CHECKSUMS")

    if File.exists?(checksums) and File.dir?(folder) do
      for line <- File.stream!(checksums),
          [sum, path] = String.split(line),
          String.starts_with?(path, target()) do
        bytes = File.read!(Path.join([__DIR__, "precompiled", path]))
        found = :sha256 |> :crypto.hash(bytes) |> Base.encode16(case: :lower)
        found == sum || Mix.raise("#{path} is not the file that was packaged")
      end

      folder
    end
  end

  # Without the vendor, which differs between builds of one platform.
  defp target do
    case :system_architecture |> :erlang.system_info() |> to_string() |> String.split("-") do
      [cpu, _vendor, "linux", libc] -> "#{cpu}-linux-#{libc}"
      [cpu, _vendor, "darwin" <> _] -> "#{cpu}-macos-gnu"
      parts -> Enum.join(parts, "-")
    end
  end

  defp build do
    root = Path.expand("../..", __DIR__)
    release? = Mix.env() in [:prod, :bench]

    features =
      case Mix.env() do
        :test -> ["--features", "litestash-elixir/testing,litestash-engine/conformance"]
        :bench -> ["--features", "litestash-elixir/measure"]
        _ -> []
      end

    profile = if release?, do: ["--release"], else: []

    arguments =
      ["build", "--quiet", "--locked", "-p", "litestash-elixir", "-p", "litestash-engine"] ++
        features ++ profile

    case System.cmd("cargo", arguments, cd: root, stderr_to_stdout: true, into: IO.stream()) do
      {_, 0} ->
        target = Path.expand(System.get_env("CARGO_TARGET_DIR", "target"), root)
        folder = Path.join(target, if(release?, do: "release", else: "debug"))
        for {name, installed} <- names(), do: {Path.join(folder, name), installed}

      {_, status} ->
        {:error, "cargo ended with status #{status}"}
    end
  rescue
    error in ErlangError -> {:error, "cargo cannot be started: #{inspect(error.original)}"}
  end

  defp names do
    library =
      if match?({:unix, :darwin}, :os.type()), do: "liblitestash_nif.dylib", else: "liblitestash_nif.so"

    [{library, "litestash_nif.so"}, {"litestash-engine", "litestash-engine"}]
  end

  defp install(files) do
    if Enum.all?(files, fn {from, name} -> up_to_date?(from, Path.join(destination(), name)) end) do
      {:noop, []}
    else
      File.mkdir_p!(destination())
      Enum.each(files, fn {from, name} -> replace(from, Path.join(destination(), name)) end)
      {:ok, []}
    end
  end

  # A library that is mapped must not be written to: the new one gets the name, the old one stays until unloaded.
  defp replace(from, to) do
    File.cp!(from, to <> ".new")
    File.chmod!(to <> ".new", 0o755)
    File.rename!(to <> ".new", to)
  end

  defp up_to_date?(from, to) do
    with {:ok, one} <- File.read(from), {:ok, other} <- File.read(to), do: one == other, else: (_ -> false)
  end

  defp destination, do: Path.join([Mix.Project.app_path(), "priv", "native"])

  defp diagnostic(message) do
    Mix.shell().error(message)

    %Mix.Task.Compiler.Diagnostic{
      file: __ENV__.file,
      severity: :error,
      message: message,
      position: 0,
      compiler_name: "litestash_native"
    }
  end
end

defmodule LiteStash.MixProject do
  use Mix.Project

  @version "0.1.0"

  def project do
    [
      app: :litestash,
      version: @version,
      elixir: "~> 1.14",
      description: "An embedded key-value store: a directory that programs in many languages share",
      compilers: [:litestash_native] ++ Mix.compilers(),
      # priv is a folder of its own in the build, not a link into the sources.
      build_embedded: true,
      elixirc_paths: if(Mix.env() == :test, do: ["lib", "test/support"], else: ["lib"]),
      # Tests implement the protocol for structs of their own.
      consolidate_protocols: Mix.env() != :test,
      deps: [],
      package: package(),
      docs: [main: "readme", extras: ["README.md"]]
    ]
  end

  def application, do: [extra_applications: [:logger, :crypto]]

  defp package do
    [
      licenses: ["Apache-2.0"],
      links: %{"Repository" => "https://github.com/litestash/litestash"},
      files: ~w(lib precompiled mix.exs .formatter.exs README.md)
    ]
  end
end
