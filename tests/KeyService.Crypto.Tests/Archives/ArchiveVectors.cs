using System.IO.Compression;
using System.Security.Cryptography;
using System.Text.Json;

namespace KeyService.Tests.Archives;

internal sealed record PositiveVector(
    string Name, string Kek, string DataKey, string ArchiveId, string[][] Context, string EncodedContext, string ContentName, ulong Sequence,
    int DamagedSlotAreas, string[] WrappedDataKeys, int HeaderLength, string MessageContextSha256, string Salt, string DerivedKey, string BaseNonce,
    string Commitment, int PlaintextLength, string PlaintextSha256, int ArchiveLength, string ArchiveSha256, string ArchiveZlib)
{
    public byte[] Archive()
    {
        using var zlib = new ZLibStream(new MemoryStream(Convert.FromBase64String(ArchiveZlib)), CompressionMode.Decompress);
        using var archive = new MemoryStream();
        zlib.CopyTo(archive);
        Assert.Equal(ArchiveLength, archive.Length);
        Assert.Equal(ArchiveSha256, Convert.ToHexStringLower(SHA256.HashData(archive.ToArray())));
        return archive.ToArray();
    }
}

internal sealed record VectorEdit(string Op, int At, string? Bytes, int With, int Length)
{
    public byte[] Apply(byte[] archive)
    {
        byte[] bytes = Convert.FromHexString(Bytes ?? "");
        switch (Op)
        {
            case "truncate":
                return archive[..At];
            case "append":
                return [.. archive, .. bytes];
            case "set":
                bytes.CopyTo(archive, At);
                return archive;
            case "swap":
                byte[] first = archive[At..(At + Length)];
                archive.AsSpan(With, Length).CopyTo(archive.AsSpan(At));
                first.CopyTo(archive, With);
                return archive;
            default:
                throw new InvalidDataException($"Unknown edit {Op}.");
        }
    }
}

internal sealed record NegativeVector(string Name, string Of, VectorEdit[] Edits, string DataKey, string Fault, bool InHeader);

internal sealed record ArchiveVectors(string Format, PositiveVector[] Positive, NegativeVector[] Negative)
{
    private static readonly JsonSerializerOptions Web = new(JsonSerializerDefaults.Web);

    /// <summary>The repository.</summary>
    public static string Root { get; } = FindRoot();

    public static ArchiveVectors Load { get; } = Read();

    public static TheoryData<string> PositiveNames => [.. Load.Positive.Select(vector => vector.Name)];

    public static TheoryData<string> NegativeNames => [.. Load.Negative.Select(vector => vector.Name)];

    public PositiveVector Find(string name) => Positive.Single(vector => vector.Name == name);

    public byte[] Edited(NegativeVector vector) =>
        vector.Edits.Aggregate(Find(vector.Of).Archive(), (archive, edit) => edit.Apply(archive));

    private static ArchiveVectors Read()
    {
        byte[] json = File.ReadAllBytes(Path.Combine(Root, "tests", "vectors", "archive.json"));
        ArchiveVectors vectors = JsonSerializer.Deserialize<ArchiveVectors>(json, Web)!;
        Assert.Equal("keyservice-archive-vectors-1", vectors.Format);
        return vectors;
    }

    private static string FindRoot()
    {
        string? root = AppContext.BaseDirectory;
        while (!File.Exists(Path.Combine(root, "KeyService.sln")))
        {
            root = Path.GetDirectoryName(root) ?? throw new DirectoryNotFoundException("The tests do not run inside the repository.");
        }

        return root;
    }
}
