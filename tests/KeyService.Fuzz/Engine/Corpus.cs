using System.Security.Cryptography;

namespace KeyService.Fuzz.Engine;

/// <summary>The committed inputs of a target: one file each, the raw bytes, under tests/fuzz-corpus/TARGET.</summary>
internal static class Corpus
{
    private static readonly string Root = Path.Combine(RepositoryRoot(), "tests", "fuzz-corpus");

    /// <exception cref="InvalidOperationException">There are none: a fuzzer that begins with nothing finds nothing, and a success of it would be none.</exception>
    public static IReadOnlyList<byte[]> Load(FuzzTarget target)
    {
        string folder = FolderOf(target);
        byte[][] inputs = Directory.Exists(folder)
            ? [.. Directory.GetFiles(folder).Order(StringComparer.Ordinal).Select(File.ReadAllBytes)]
            : [];
        return inputs.Length > 0 ? inputs : throw new InvalidOperationException($"The corpus of {target.Name} is empty: {folder}");
    }

    public static string FolderOf(FuzzTarget target) => Path.Combine(Root, target.Name);

    public static IEnumerable<string> Folders() => Directory.GetDirectories(Root).Select(folder => Path.GetFileName(folder)!);

    /// <summary>Adds an input under a name of its content's.</summary>
    /// <returns>The file.</returns>
    public static string Save(FuzzTarget target, string kind, byte[] input)
    {
        string folder = FolderOf(target);
        Directory.CreateDirectory(folder);
        string path = Path.Combine(folder, $"{kind}-{Convert.ToHexStringLower(SHA256.HashData(input).AsSpan(0, 6))}");
        File.WriteAllBytes(path, input);
        return path;
    }

    /// <summary>Adds a named seed, or renews it.</summary>
    public static void SaveSeed(FuzzTarget target, string name, byte[] input)
    {
        Directory.CreateDirectory(FolderOf(target));
        File.WriteAllBytes(Path.Combine(FolderOf(target), $"seed-{name}"), input);
    }

    public static string RepositoryRoot()
    {
        for (DirectoryInfo? folder = new(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            if (File.Exists(Path.Combine(folder.FullName, "KeyService.sln")))
            {
                return folder.FullName;
            }
        }
        throw new InvalidOperationException("The fuzzer runs outside its repository.");
    }
}
