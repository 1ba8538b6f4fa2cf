using System.Security.Cryptography;
using System.Text;
using KeyService.Crypto.Logs;
using KeyService.Server.Hosting;
using KeyService.Server.Witness;
using KeyService.Tests.Storage;
using Microsoft.Extensions.Logging.Abstractions;

namespace KeyService.Tests.Witness;

/// <summary>A witness at its desk (C2SP tlog-witness): what it cosigns, what it refuses and how, and what it remembers.</summary>
public sealed class WitnessDeskTests : IDisposable
{
    private const string Origin = "keyservice/000102030405060708090a0b0c0d0e0f/directory";

    private readonly DirectoryInfo _directory = Directory.CreateTempSubdirectory("keyservice-witness-");
    private readonly ECDsa _log = ECDsa.Create(ECCurve.NamedCurves.nistP256);
    private readonly TestTime _time = new();
    private readonly List<byte[]> _leaves = [.. Enumerable.Range(0, 40).Select(i => MerkleHash.Leaf([(byte)i]))];
    private readonly WitnessKey _key;
    private WitnessState _state;

    public WitnessDeskTests()
    {
        WitnessKey.Create(Path.Combine(_directory.FullName, "key"));
        _key = WitnessKey.Open(Path.Combine(_directory.FullName, "key"), "witness.example/w1");
        _state = WitnessState.Open(StateDirectory, _key.Verifier);
    }

    private string StateDirectory => Path.Combine(_directory.FullName, "state");

    public void Dispose()
    {
        _state.Dispose();
        _key.Dispose();
        _log.Dispose();
        _directory.Delete(recursive: true);
    }

    [Fact]
    public void It_cosigns_what_goes_on_from_what_it_cosigned_and_remembers_over_a_restart()
    {
        foreach (var (old, size) in new[] { (0, 3), (3, 4), (4, 4), (4, 17), (17, 40) })
        {
            var note = Note(size);
            var answer = Add(new WitnessRequest(old, Proof(old, size), note));
            Assert.Equal((200, "text/plain; charset=utf-8"), (answer.Status, answer.MediaType));
            Assert.True(WitnessRequest.TryParseAnswer(answer.Body, out var signatures));
            Assert.True(_key.Verifier.Signed(note.With(signatures)));
            Assert.Equal(_time.GetUtcNow().ToUnixTimeSeconds(), Cosignature.TimeOf(signatures[0]).ToUnixTimeSeconds());
            Restart();
            Assert.Equal(size, _state.LatestOf(Origin)!.Size);
        }
    }

    [Fact]
    public void A_fork_at_the_same_size_or_behind_it_is_never_cosigned()
    {
        Assert.Equal(200, Add(new WitnessRequest(0, [], Note(10))).Status);
        var other = new List<byte[]>(_leaves);
        other[4] = MerkleHash.Leaf([99]);
        Assert.Equal(409, Add(new WitnessRequest(10, [], Note(10, other))).Status);
        Assert.Equal(422, Add(new WitnessRequest(10, Proof(10, 20, other), Note(20, other))).Status);
        Assert.Equal(422, Add(new WitnessRequest(10, Proof(10, 20), Note(20, other))).Status);
        Assert.Equal(422, Add(new WitnessRequest(10, [], Note(20))).Status);
        Assert.Equal(422, Add(new WitnessRequest(10, [.. Proof(10, 20), new byte[32]], Note(20))).Status);
        Assert.Equal(10, _state.LatestOf(Origin)!.Size);
        Assert.Equal(200, Add(new WitnessRequest(10, Proof(10, 20), Note(20))).Status);
    }

    [Fact]
    public void An_older_size_gets_the_size_that_it_cosigned_and_rolls_nothing_back()
    {
        Assert.Equal(200, Add(new WitnessRequest(0, [], Note(10))).Status);
        foreach (var request in new[] { new WitnessRequest(0, [], Note(20)), new WitnessRequest(5, Proof(5, 20), Note(20)), new WitnessRequest(5, Proof(5, 7), Note(7)), new WitnessRequest(0, [], Note(10)) })
        {
            var answer = Add(request);
            Assert.Equal((409, "text/x.tlog.size", "10\n"), (answer.Status, answer.MediaType, Encoding.ASCII.GetString(answer.Body)));
        }

        Assert.Equal(10, _state.LatestOf(Origin)!.Size);
    }

    [Fact]
    public void Strangers_and_bad_requests_are_refused_by_their_own_status()
    {
        Assert.Equal(404, Add(new WitnessRequest(0, [], Sign("another/log", 3, new byte[32], _log))).Status);
        using var other = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        Assert.Equal(403, Add(new WitnessRequest(0, [], Sign(Origin, 3, new byte[32], other))).Status);
        // Known by name and id, and not its signature.
        var note = Note(3);
        Assert.Equal(403, Add(new WitnessRequest(0, [], new SignedNote(note.Text.Replace("\n3\n", "\n4\n", StringComparison.Ordinal), note.Signatures))).Status);
        Assert.Equal(400, Add(new WitnessRequest(4, [], Note(3))).Status);
        var bytes = new WitnessRequest(0, [], Note(3)).ToArray();
        Assert.Equal(400, Desk().Add(bytes.AsSpan(1)).Status);
        Assert.Equal(400, Desk().Add(new byte[WitnessRequest.MaxLength + 1]).Status);
        Assert.Equal(400, Desk().Add([]).Status);
        Assert.Null(_state.LatestOf(Origin));
    }

    [Fact]
    public void Two_requests_at_once_are_cosigned_one_after_another()
    {
        Assert.Equal(200, Add(new WitnessRequest(0, [], Note(1))).Status);
        var desk = Desk();
        var answers = new int[39];
        Parallel.For(2, 41, size => answers[size - 2] = desk.Add(new WitnessRequest(1, Proof(1, size), Note(size)).ToArray()).Status);
        Assert.Single(answers, status => status == 200);
        Assert.Equal(38, answers.Count(status => status == 409));
        Assert.Equal(Array.IndexOf(answers, 200) + 2, _state.LatestOf(Origin)!.Size);
    }

    [Fact]
    public void Nothing_is_given_out_that_could_not_be_kept()
    {
        Assert.Equal(200, Add(new WitnessRequest(0, [], Note(3))).Status);
        var file = Assert.Single(Directory.GetFiles(StateDirectory, "*.checkpoint"));
        File.Delete(file);
        // A directory in its place: the rename fails, for root too.
        Directory.CreateDirectory(Path.Combine(file, "x"));
        Assert.Equal(503, Add(new WitnessRequest(3, Proof(3, 5), Note(5))).Status);
        Assert.Equal(3, _state.LatestOf(Origin)!.Size);
    }

    [Fact]
    public void A_state_that_somebody_changed_stops_the_start()
    {
        Assert.Equal(200, Add(new WitnessRequest(0, [], Note(3))).Status);
        var file = Assert.Single(Directory.GetFiles(StateDirectory, "*.checkpoint"));
        var whole = File.ReadAllText(file);
        _state.Dispose();
        foreach (var changed in new[] { "", whole[..^1], whole.Replace("\n3\n", "\n2\n", StringComparison.Ordinal), $"{Note(3)}" })
        {
            File.WriteAllText(file, changed);
            Assert.Equal(ExitCode.Tampered, Assert.Throws<StartUpException>(() => WitnessState.Open(StateDirectory, _key.Verifier)).Code);
        }

        File.WriteAllText(file, whole);
        File.Move(file, file.Replace(Path.GetFileName(file), "00000000000000000000000000000000.checkpoint", StringComparison.Ordinal));
        Assert.Throws<StartUpException>(() => WitnessState.Open(StateDirectory, _key.Verifier));
        File.Move(file.Replace(Path.GetFileName(file), "00000000000000000000000000000000.checkpoint", StringComparison.Ordinal), file);
        _state = WitnessState.Open(StateDirectory, _key.Verifier);
        Assert.Equal(ExitCode.InUse, Assert.Throws<StartUpException>(() => WitnessState.Open(StateDirectory, _key.Verifier)).Code);
    }

    [Fact]
    [System.Runtime.Versioning.UnsupportedOSPlatform("windows")]
    public void A_key_is_made_once_and_read_by_its_owner_alone()
    {
        var path = Path.Combine(_directory.FullName, "key");
        Assert.Equal(ExitCode.InUse, Assert.Throws<StartUpException>(() => WitnessKey.Create(path)).Code);
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(path));
        File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.OtherRead);
        Assert.Contains("chmod", Assert.Throws<StartUpException>(() => WitnessKey.Open(path, "w")).Message, StringComparison.Ordinal);
        File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        File.WriteAllText(path, "00");
        Assert.Throws<StartUpException>(() => WitnessKey.Open(path, "w"));
    }

    private void Restart()
    {
        _state.Dispose();
        _state = WitnessState.Open(StateDirectory, _key.Verifier);
    }

    private WitnessDesk Desk() => new(
        new Dictionary<string, IReadOnlyList<NoteVerifier>> { [Origin] = [NoteVerifier.Create(Origin, NoteAlgorithm.Ecdsa, _log.ExportSubjectPublicKeyInfo())] },
        _key, _state, _time, NullLogger<WitnessDesk>.Instance);

    private WitnessAnswer Add(WitnessRequest request)
    {
        var bytes = request.ToArray();
        Assert.True(WitnessRequest.TryParse(bytes, out var parsed) && parsed!.ToArray().AsSpan().SequenceEqual(bytes));
        return Desk().Add(bytes);
    }

    private SignedNote Note(int size, List<byte[]>? leaves = null) => Sign(Origin, size, TreeOf(leaves).Root(size), _log);

    private IReadOnlyList<byte[]> Proof(int old, int size, List<byte[]>? leaves = null) => MerkleProof.Consistency(old, size, TreeOf(leaves).Node);

    private MerkleTree TreeOf(List<byte[]>? leaves)
    {
        var tree = new MerkleTree();
        (leaves ?? _leaves).ForEach(leaf => tree.Append(leaf));
        return tree;
    }

    private static SignedNote Sign(string origin, long size, byte[] root, ECDsa key)
    {
        var text = new Checkpoint(origin, size, root).ToString();
        return EcdsaNoteSignature.Sign(
            text, NoteVerifier.Create(origin, NoteAlgorithm.Ecdsa, key.ExportSubjectPublicKeyInfo()),
            key.SignHash(EcdsaNoteSignature.Digest(text), DSASignatureFormat.IeeeP1363FixedFieldConcatenation));
    }
}
