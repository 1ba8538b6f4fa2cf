using System.IO.Compression;
using System.Security.Cryptography;
using System.Text;
using KeyService.Cli.Evidence;
using KeyService.Crypto.Evidence;
using KeyService.Crypto.Logs;
using KeyService.Tests.Logs;

namespace KeyService.Tests.Evidence;

/// <summary>A pack over the logs of <see cref="SampleExport"/>, as the service and the command make one.</summary>
internal sealed class SamplePack
{
    private static readonly ECDsa Key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
    private static readonly DateTimeOffset From = new(2026, 10, 1, 0, 0, 0, TimeSpan.Zero);

    private readonly List<(string Name, byte[] Content)> _signed = [];

    /// <summary>The files, in the order in which they are written; a name may be there twice.</summary>
    public List<(string Name, byte[] Content)> Files { get; } = [];

    /// <summary>Unix mode and type of files that are none but plain.</summary>
    public Dictionary<string, int> Modes { get; } = [];

    public static NoteVerifier Verifier { get; } = VerifierOf($"{SampleExport.Names.Installation}/evidence");

    public static NoteVerifier VerifierOf(string name) => NoteVerifier.Create(name, NoteAlgorithm.Ecdsa, Key.ExportSubjectPublicKeyInfo());

    /// <summary>With the log, which the manifest binds up to the checkpoint of <paramref name="bound"/>.</summary>
    public static SamplePack Of(SampleExport log, SampleExport? bound = null, string? reach = null)
    {
        var pack = new SamplePack();
        var until = bound ?? log;
        pack.Sign("audit/checkpoint", [.. until.Files["directory/checkpoint"]]);
        pack.Sign(LogReach.FileName, Encoding.UTF8.GetBytes(reach ?? ReachOf(until)));
        pack.AddRest();
        foreach (var (path, content) in log.Files)
        {
            pack.Files.Add(($"log/{path}", content));
        }
        return pack;
    }

    public static SamplePack WithoutLog(params (string Name, byte[] Content)[] files)
    {
        var pack = new SamplePack();
        foreach (var (name, content) in files)
        {
            pack.Sign(name, content);
        }
        pack.AddRest();
        return pack;
    }

    /// <summary>A note by the key of the pack under another name.</summary>
    public static byte[] Note(string name, string text) => EcdsaNoteSignature.Sign(
        text, VerifierOf(name), Key.SignHash(EcdsaNoteSignature.Digest(text), DSASignatureFormat.IeeeP1363FixedFieldConcatenation)).ToArray();

    public byte[] this[string name]
    {
        get => Files.Single(file => file.Name == name).Content;
        set => Files[Files.FindIndex(file => file.Name == name)] = (name, value);
    }

    public void Remove(string name) => Assert.Equal(1, Files.RemoveAll(file => file.Name == name));

    public EvidenceSeal Verify(params NoteVerifier[] keys)
    {
        using var stream = Write();
        return EvidencePack.Verify(stream, keys);
    }

    public MemoryStream Write()
    {
        var stream = new MemoryStream();
        using (var zip = new ZipArchive(stream, ZipArchiveMode.Create, leaveOpen: true))
        {
            foreach (var (name, content) in Files)
            {
                var entry = zip.CreateEntry(name);
                entry.ExternalAttributes = Modes.GetValueOrDefault(name, 0x81A4) << 16;
                using var target = entry.Open();
                target.Write(content);
            }
        }
        stream.Position = 0;
        return stream;
    }

    private static string ReachOf(SampleExport log) => new LogReach(
    [
        new SlotReach(0, 0, SizeOf(log, "slot/0")), new SlotReach(1, 0, SizeOf(log, "slot/1")),
    ]).ToString();

    private static long SizeOf(SampleExport log, string folder) =>
        SignedNote.TryParse(log.Files[$"{folder}/checkpoint"], out var note) && Checkpoint.TryParse(note!.Text, out var checkpoint) ? checkpoint!.Size : 0;

    private void Sign(string name, byte[] content) => _signed.Add((name, content));

    private void AddRest()
    {
        Sign("index.html", "<!doctype html>\n"u8.ToArray());
        Files.AddRange(_signed);
        var manifest = new EvidenceManifest(
            Convert.FromHexString("000102030405060708090a0b0c0d0e0f"), From, From.AddMonths(1), From.AddMonths(2), _signed.Select(file => EvidenceEntry.Of(file.Name, file.Content)));
        Files.Add(("key", Encoding.UTF8.GetBytes($"{Verifier}\n")));
        Files.Add(("manifest", Note(Verifier.Name, manifest.ToString())));
    }
}
