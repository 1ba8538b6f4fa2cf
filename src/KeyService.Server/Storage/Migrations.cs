using System.Globalization;
using System.Reflection;
using System.Security.Cryptography;
using System.Text;

namespace KeyService.Server.Storage;

/// <summary>
/// One forward step of the schema. A released one never changes (a test holds its hash): what has to change comes as the next step.
/// </summary>
internal sealed record Migration(int Version, string Name, string Sql)
{
    /// <summary>SHA-256 of the SQL file's bytes.</summary>
    public byte[] Digest => SHA256.HashData(Encoding.UTF8.GetBytes(Sql));
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

        return migrations.Index().All(each => each.Item.Version == each.Index + 1)
            ? migrations
            : throw new InvalidOperationException("The embedded migrations are not numbered 1, 2, 3, … without a gap.");
    }
}
