using System.Globalization;
using System.Reflection;
using System.Security.Cryptography;
using System.Text;
using System.Text.RegularExpressions;

namespace KeyService.Server.Storage;

/// <summary>
/// One forward step of the schema. A released one never changes (a test holds its hash): what has to change comes as the next step.
/// </summary>
internal sealed partial record Migration(int Version, string Name, string Sql)
{
    /// <summary>From this step on a store remembers which servers work with it, and each step says so.</summary>
    public const int FirstThatSays = 7;

    /// <summary>
    /// A server works with a store that has had this step when it knows the schema of this number at least: what the first line of the SQL says
    /// (ADR 0199). A step that says nothing is for servers that know it.
    /// </summary>
    public int OldestServer { get; } = Said(Sql) ?? Version;

    /// <summary>SHA-256 of the SQL file's bytes.</summary>
    public byte[] Digest => SHA256.HashData(Encoding.UTF8.GetBytes(Sql));

    /// <summary>What the step says; null when it says nothing.</summary>
    /// <exception cref="InvalidOperationException">It begins as if it did, in other words: nobody should have to guess what was meant.</exception>
    public static int? Said(string sql)
    {
        var line = sql.AsSpan(0, sql.IndexOf('\n') is var end and >= 0 ? end : sql.Length).ToString();
        return FirstLine().Match(line) is { Success: true } match ? int.Parse(match.Groups[1].ValueSpan, CultureInfo.InvariantCulture)
            : line.StartsWith("-- Servers", StringComparison.OrdinalIgnoreCase) ? throw new InvalidOperationException($"A schema step begins with \"{line}\", which says nothing of its servers.")
            : null;
    }

    [GeneratedRegex(@"\A-- Servers that know schema ([1-9][0-9]{0,3}) or later work with this step\.\z", RegexOptions.CultureInvariant)]
    private static partial Regex FirstLine();
}

/// <summary>The embedded SQL files, in order: the same steps for each database, each in its own words.</summary>
internal static class Migrations
{
    /// <summary>Versions 1, 2, 3, … without a gap.</summary>
    public static IReadOnlyList<Migration> Sqlite { get; } = Embedded("KeyService.Server.Storage.Migrations.Sqlite.");

    /// <summary>Versions 1, 2, 3, … without a gap, of the same names as those of <see cref="Sqlite"/>.</summary>
    public static IReadOnlyList<Migration> Postgres { get; } = Embedded("KeyService.Server.Storage.Migrations.Postgres.");

    private static List<Migration> Embedded(string prefix)
    {
        var assembly = Assembly.GetExecutingAssembly();
        var migrations = new List<Migration>();
        var resources = assembly.GetManifestResourceNames().Where(each => each.StartsWith(prefix, StringComparison.Ordinal));
        foreach (var resource in resources.Order(StringComparer.Ordinal))
        {
            // "0001-initial.sql"
            var file = resource[prefix.Length..];
            using var reader = new StreamReader(assembly.GetManifestResourceStream(resource)!, Encoding.UTF8);
            migrations.Add(new Migration(int.Parse(file.AsSpan(0, 4), CultureInfo.InvariantCulture), file[5..^4], reader.ReadToEnd()));
        }

        if (migrations.Index().Any(each => each.Item.Version != each.Index + 1))
        {
            throw new InvalidOperationException("The embedded migrations are not numbered 1, 2, 3, … without a gap.");
        }

        // Forgotten, it would end rolling upgrades without anybody having decided so; too high, it would mean nothing.
        return migrations.Find(each => each.Version >= Migration.FirstThatSays && (Migration.Said(each.Sql) is null || each.OldestServer > each.Version)) is { } silent
            ? throw new InvalidOperationException($"The schema step {silent.Version} ({silent.Name}) does not say in its first line which servers work with it.")
            : migrations;
    }
}
