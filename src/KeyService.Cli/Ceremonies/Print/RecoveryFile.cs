using System.Security.Cryptography;
using System.Text;

namespace KeyService.Cli.Ceremonies;

/// <summary>docs/recovery/keyservice_recover.py, which opens backups without us; it is in this program so that what is printed is always that file.</summary>
internal sealed class RecoveryFile
{
    public const string FileName = "keyservice_recover.py";
    private const int CheckLength = 4;

    private RecoveryFile(byte[] content)
    {
        Hash = Convert.ToHexStringLower(SHA256.HashData(content));
        Lines = Encoding.ASCII.GetString(content).TrimEnd('\n').Split('\n');
    }

    public string Hash { get; }

    public IReadOnlyList<string> Lines { get; }

    /// <summary>Four digits by which somebody who typed the line finds out where a mistake is.</summary>
    public static string CheckOf(string line) => Convert.ToHexStringLower(SHA256.HashData(Encoding.ASCII.GetBytes(line)))[..CheckLength];

    public static RecoveryFile Load()
    {
        using var stream = typeof(RecoveryFile).Assembly.GetManifestResourceStream(FileName)!;
        var content = new byte[stream.Length];
        stream.ReadExactly(content);
        return new RecoveryFile(content);
    }
}
